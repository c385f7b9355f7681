import { accessOf } from './access.ts'
import { isUnlimited } from './limiting.ts'
import { NDJSON } from './records.ts'

// What the OpenAPI document says of headers that no route declares: they are taken and answered for many calls in one
// place each (authentication.ts, etag.ts, guards.ts, problem.ts and their like), and are told of here alike.

type Parameter = { readonly name: string; readonly in: string }
type Content = Readonly<Record<string, { readonly schema?: { readonly title?: string } }>>
type Response = { readonly content?: Content; headers?: object }
export type DescribedOperation = {
  readonly operationId: string
  readonly responses: Readonly<Record<string, Response>>
  parameters?: Parameter[]
}
/** One operation of the document, and where it is. */
export type Call = { readonly method: string; readonly path: string; readonly operation: DescribedOperation }
type Answer = Call & { readonly status: number; readonly response: Response }

type Header = {
  readonly description: string
  readonly example: string
  /** Whether each such answer has it. */
  readonly always?: true
}

const SENT: Readonly<Record<string, Header & { readonly of: (call: Call) => boolean }>> = {
  book: {
    description: 'The book to act in, for operators of all books; their own if not given.',
    example: 'main',
    of: ({ operation }) => {
      const access = accessOf(operation.operationId)
      return access !== undefined && access !== 'public' && 'anyBook' in access
    },
  },
  'if-none-match': {
    description: 'The `ETag` of an earlier answer: 304 where nothing has changed.',
    example: '"5C1gfGeXjzYbPTNHtcKhZQ"',
    of: hasTag,
  },
  'x-request-id': {
    description:
      '1 to 100 of letters, digits and `_.:-`; it is answered, logged and told in errors. Made if not given.',
    example: 'order-1815.1',
    of: () => true,
  },
}

const ANSWERED: Readonly<Record<string, Header & { readonly of: (answer: Answer) => boolean }>> = {
  'X-Request-Id': {
    description: 'That of the request, or one that was made.',
    example: 'req_0b1f2a52-63a8-4a86-9b0e-6a4f5b3a6f0e',
    always: true,
    of: ({ status }) => status !== 101,
  },
  'RateLimit-Limit': {
    description: 'Of the rate limit closest to the call: how many there may be in its time.',
    example: '1000',
    of: isLimited,
  },
  'RateLimit-Remaining': { description: 'How many are left.', example: '999', of: isLimited },
  'RateLimit-Reset': { description: 'Seconds until all are there again.', example: '1', of: isLimited },
  'RateLimit-Policy': { description: 'How many, and in how many seconds.', example: '1000;w=1', of: isLimited },
  'Retry-After': {
    description: 'Seconds after which to come back.',
    example: '1',
    always: true,
    of: ({ status }) => status === 429 || status === 503,
  },
  'WWW-Authenticate': { description: '', example: 'Bearer', always: true, of: ({ status }) => status === 401 },
  ETag: {
    description: 'For `If-None-Match`. What is written as a stream, such as a whole list, has none.',
    example: '"5C1gfGeXjzYbPTNHtcKhZQ"',
    of: (answer) => [200, 304].includes(answer.status) && hasTag(answer),
  },
  'Content-Disposition': {
    description: 'The name of a file, where it is one.',
    example: 'attachment; filename="export.csv"',
    of: ({ method, status, response }) => {
      const types = Object.keys(response.content ?? {})
      return method === 'get' && status === 200 && types.some((type) => FILES.has(type))
    },
  },
  'Idempotent-Replayed': {
    description: '`true` where it is the answer to an earlier request with the same key, or the same file.',
    example: 'true',
    of: (answer) =>
      isWell(answer) && (takes(answer, 'idempotency-key') || answer.operation.operationId === 'uploadBankStatement'),
  },
  'Preference-Applied': {
    description: 'What was heeded of `Prefer` (RFC 7240).',
    example: 'respond-async',
    of: (answer) => isWell(answer) && takes(answer, 'prefer'),
  },
  Location: {
    description: 'The path of the payment.',
    example: '/v1/payments/pay_01k3v5f0j5d8n2b6v9y4s7k3e2',
    of: ({ method, status, response }) => {
      const { title } = response.content?.['application/json']?.schema ?? {}
      return method === 'post' && (status === 201 || status === 202) && PAYMENTS.has(title ?? '')
    },
  },
  'Accept-Encoding': {
    description: 'Where the body is compressed, which none may be.',
    example: 'identity',
    of: ({ status }) => status === 415,
  },
  Upgrade: { description: '', example: 'websocket', always: true, of: ({ status }) => status === 426 },
  'Sec-WebSocket-Version': {
    description: 'The version that is spoken (RFC 6455 §4.4).',
    example: '13',
    always: true,
    of: ({ status }) => status === 426,
  },
}

const FILES = new Set(['text/csv', 'application/pdf', 'application/xml', NDJSON])
/** The titles of the schemas that are a payment. */
const PAYMENTS = new Set(['Payment', 'Deposit'])

/** The headers of answers, each once, for `components` of the document. */
export const ANSWER_HEADERS = Object.fromEntries(
  Object.entries(ANSWERED).map(([name, { description, example, always }]) => [
    name,
    { description, ...(always ? { required: true } : {}), schema: { type: 'string' as const, examples: [example] } },
  ]),
)

/** Adds to a call of the document the headers that its requests and answers may have. */
export function describeHeaders(call: Call): void {
  const { operation } = call
  const sent = Object.entries(SENT).filter(([, { of }]) => of(call))
  operation.parameters = [
    ...(operation.parameters ?? []),
    ...sent.map(([name, { description, example }]) => {
      return { name, in: 'header', required: false, description, example, schema: { type: 'string' } }
    }),
  ]
  for (const [status, response] of Object.entries(operation.responses)) {
    const names = Object.keys(ANSWERED).filter((name) =>
      ANSWERED[name]?.of({ ...call, status: Number(status), response }),
    )
    if (names.length === 0) continue
    response.headers = Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))
  }
}

function hasTag({ operation }: Call): boolean {
  return operation.responses[304] !== undefined
}

/** A handshake that succeeds says nothing of limits. */
function isLimited({ path, status }: Answer): boolean {
  return status !== 101 && !isUnlimited(path)
}

function isWell({ status }: Answer): boolean {
  return status >= 200 && status < 300
}

function takes({ operation }: Call, header: string): boolean {
  return operation.parameters?.some(({ name }) => name === header) ?? false
}
