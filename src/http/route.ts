import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import { type TObject, type TSchema, Type } from 'typebox'
import type { Field } from '../database/list_fields.ts'
import { OPERATORS } from '../database/list_query.ts'
import { ACCESS, type Access, type OperationId, scopesFor } from './access.ts'
import { ApiError, ERRORS, type ErrorCode } from './errors.ts'
import { problemOf } from './problem.ts'
import { EXPORT_TYPES, NDJSON } from './records.ts'
import { Problem } from './schemas.ts'

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse<IncomingMessage>,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

type Described = {
  /** One of the table in access.ts: a new operation is first of all given its scope there. */
  readonly operationId: OperationId
  readonly summary: string
  readonly description?: string
  readonly tag: string
  readonly errors?: readonly ErrorCode[]
  /** Content types of the 200 beside JSON, each of them text or bytes. */
  readonly otherTypes?: readonly string[]
  /** The content type of the 200 where it is no JSON. */
  readonly onlyType?: string
  /** The 200 of a call that is answered with records, one a line, beside JSON: what one of them is. */
  readonly line?: TSchema
  /** Whether the body may be left out: it is read as an empty object then. */
  readonly optionalBody?: boolean
  /** Whether a GET has no ETag: its answer is written as a stream, or is not to be kept. */
  readonly unkept?: boolean
  readonly headers?: TObject
  readonly response: Readonly<Record<number, TSchema>>
}

/** Marks an operation whose body may be left out, in its schema. */
export const OPTIONAL_BODY = 'x-optional-body'

/** Marks a GET that has no ETag, in its schema. */
export const UNKEPT = 'x-unkept'

/** Says of a parameter of a list which operators it takes. */
const OPERATORS_OF = 'x-operators'

/** Any request can fail in these ways, and one with a token in the others. */
const ALWAYS = [
  'malformed_request',
  'malformed_body',
  'invalid_header',
  'invalid_query',
  'invalid_request',
  'unknown_field',
  'too_large',
] as const
const EVER = ['rate_limited', 'internal', 'unavailable', 'overloaded'] as const
const WITH_TOKEN = ['unauthenticated', 'forbidden'] as const
const WITH_BODY = [
  'missing_field',
  'invalid_type',
  'invalid_value',
  'unsupported_media_type',
  'outcome_unknown',
] as const

/** Where a route says nothing of a query, every parameter is one that it does not know. */
const NO_QUERY = Type.Object({}, { additionalProperties: false })

/** The schema of a route with all that the OpenAPI document says of it: its id, its answers and every error. */
export function describe<T extends Described>(route: T) {
  const {
    operationId,
    summary,
    description,
    tag,
    errors = [],
    otherTypes = [],
    onlyType,
    line,
    optionalBody,
    unkept,
    response,
    ...parts
  } = route
  const types = isPage(response[200]) ? [...otherTypes, ...EXPORT_TYPES] : otherTypes
  const codes: ErrorCode[] = [...ALWAYS, ...EVER, ...errors]
  const access: Access = ACCESS[operationId]
  if (access !== 'public') codes.push(...WITH_TOKEN)
  if (access !== 'public' && access.unfrozen) codes.push('user_frozen')
  if (access !== 'public' && access.confirmed) codes.push('email_unconfirmed')
  if ('body' in parts) codes.push(...WITH_BODY)
  return {
    ...(('querystring' in parts ? {} : { querystring: NO_QUERY }) as object),
    ...parts,
    ...(errors.includes('idempotency_key_reused') ? { headers: withKey(route.headers) } : {}),
    operationId,
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [tag],
    ...(optionalBody ? { [OPTIONAL_BODY]: true } : {}),
    ...(unkept ? { [UNKEPT]: true } : {}),
    security: access === 'public' ? [] : [{ bearer: scopesFor(access) }],
    response: { ...response, ...contentOf(response[200], { types, onlyType, line }), ...errorResponses(codes) },
  }
}

/** The headers of a call that may be repeated with the same key (docs/api.md, Idempotency). */
function withKey(headers: TObject | undefined) {
  return Type.Object({
    'idempotency-key': Type.Optional(
      Type.String({ description: '1 to 255 printable characters.', examples: ['order-1815'] }),
    ),
    ...headers?.properties,
  })
}

/** Whether a schema is that of a page of a list. */
function isPage(schema: TSchema | undefined): boolean {
  return Object.hasOwn((schema as { properties?: object } | undefined)?.properties ?? {}, 'next_cursor')
}

type OtherContent = {
  readonly types: readonly string[]
  readonly onlyType: string | undefined
  readonly line: TSchema | undefined
}

/** A 200 that comes in other content types than JSON, too or only. */
function contentOf(schema: TSchema | undefined, { types, onlyType, line }: OtherContent): Record<number, object> {
  if (!schema || (types.length === 0 && !onlyType && !line)) return {}
  const others = types.map((type) => [type, { schema: { type: 'string' } }])
  const content = {
    [onlyType ?? 'application/json']: { schema },
    ...Object.fromEntries(others),
    ...(line ? { [NDJSON]: { schema: line } } : {}),
  }
  return { 200: { description: 'OK', content } }
}

function errorResponses(codes: readonly ErrorCode[]): Record<number, object> {
  const byStatus = Map.groupBy(new Set(codes), (code) => ERRORS[code][0])
  const responses = [...byStatus].map(([status, ofStatus]) => [
    status,
    {
      description: ofStatus.map((code) => `\`${code}\`: ${ERRORS[code][1]}`).join('\n\n'),
      content: {
        'application/problem+json': {
          schema: Problem,
          examples: Object.fromEntries(ofStatus.map((code) => [code, exampleOf(code)])),
        },
      },
    },
  ])
  return Object.fromEntries(responses)
}

const examples = new Map<ErrorCode, object>()

/** Made once: each route has dozens, and an error costs the stack that it keeps. */
function exampleOf(code: ErrorCode): object {
  const example = examples.get(code) ?? { summary: ERRORS[code][1], value: problemOf(new ApiError(code), 'req_1') }
  examples.set(code, example)
  return example
}

/** The query of a list, for the OpenAPI document. It is read by parseListQuery, which knows the operators too. */
export function listQuery(fields: Readonly<Record<string, Field>>, expand: readonly string[] = []) {
  const filters = Object.entries(fields)
    .filter(([name]) => name !== 'metadata')
    .map(([name, { kind }]) => [
      name,
      Type.Optional(
        Type.String({
          description: `Equal to ${kind.shape}. Also \`${name}[${operatorsOf(kind).join('|')}]\`; \`in\` takes several, with commas.`,
          [OPERATORS_OF]: operatorsOf(kind),
        }),
      ),
    ])
  return Type.Object(
    {
      limit: Type.Optional(Type.String({ description: '1 to 200 (default 50).', examples: ['50'] })),
      cursor: Type.Optional(
        Type.String({ description: '`next_cursor` of the page before, with the same filters and sort.' }),
      ),
      sort: Type.Optional(
        Type.String({
          description: `Fields to sort by, \`-\` for descending. Any of ${Object.keys(fields).join(', ')}.`,
          examples: [Object.hasOwn(fields, 'created_at') ? '-created_at' : Object.keys(fields)[0]],
        }),
      ),
      format: Type.Optional(
        Type.String({ description: 'json (default): a page; csv or ndjson: the whole list, as a stream.' }),
      ),
      fields: Type.Optional(Type.String({ description: 'The fields to show, with commas; all if not given.' })),
      ...(expand.length === 0 ? {} : { expand: expansionsParameter(expand) }),
      ...Object.fromEntries(filters),
    },
    { additionalProperties: true },
  )
}

function operatorsOf({ like }: Field['kind']): string[] {
  return OPERATORS.filter((operator) => operator !== 'eq' && (operator !== 'like' || like))
}

function expansionsParameter(names: readonly string[]) {
  return Type.Optional(
    Type.String({
      description: `Shows under \`expanded\` what this points to: any of ${names.join(', ')}, with commas.`,
    }),
  )
}
