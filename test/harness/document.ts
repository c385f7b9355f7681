import assert from 'node:assert/strict'
import { Ajv } from 'ajv'
import { ERRORS } from '../../src/http/errors.ts'
import { formats } from '../../src/http/schemas.ts'
import type { Reply } from './client.ts'
import type { TestGateway } from './gateway.ts'

/** A call of the OpenAPI document. */
export type Operation = {
  readonly id: string
  readonly method: string
  /** With its parameters in braces. */
  readonly path: string
  readonly isPublic: boolean
  readonly isAdmin: boolean
  /** Undefined where the call takes no body. */
  readonly body: { readonly type: string; readonly schema: any } | undefined
  readonly query: readonly string[]
  readonly inPath: readonly string[]
  readonly raw: any
}

export const JSON_TYPE = 'application/json'
export const NDJSON = 'application/x-ndjson'

/** Every call that the gateway says it has. */
export async function readOperations(gateway: TestGateway): Promise<Operation[]> {
  const { body: document } = await gateway.anybody.get('/openapi.json')
  return Object.entries<Record<string, any>>(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, raw]) => {
      const parameters = (place: string) =>
        (raw.parameters ?? []).filter((entry: any) => entry.in === place).map((entry: any) => entry.name)
      const [content] = Object.entries<any>(raw.requestBody?.content ?? {})
      return {
        id: raw.operationId,
        method: method.toUpperCase(),
        path,
        isPublic: raw.security.length === 0,
        isAdmin: path.startsWith('/v1/admin'),
        body: content && { type: content[0], schema: withExample(content[1]) },
        query: parameters('query'),
        inPath: parameters('path'),
        raw,
      }
    }),
  )
}

/** The document shows the example of a whole body beside its schema. */
function withExample({ schema, example }: any): any {
  return example === undefined ? schema : { ...schema, examples: [example] }
}

/** A value that a schema allows, of its examples where it has some. `known` has values by the name of the field. */
export function exampleOf(schema: any, known: Readonly<Record<string, unknown>> = {}): any {
  if (schema.type === 'object' && schema.properties) {
    const fields = Object.entries<any>(schema.properties)
    return Object.fromEntries(fields.map(([name, field]) => [name, known[name] ?? exampleOf(field, known)]))
  }
  if (schema.examples) return schema.examples[0]
  if (schema.enum) return schema.enum[0]
  if (schema.type === 'array') return [exampleOf(schema.items, known)]
  throw new Error(`no example of ${JSON.stringify(schema)}`)
}

const ajv = new Ajv({ allErrors: true, strict: false, formats })

/** Whether the schema of the document allows the value. */
export function isAllowed(schema: any, value: unknown): boolean {
  return ajv.validate(schema, value)
}

/** The mistakes that an answer tells: its own, or those of the records of a bulk answer. None for a success. */
export function problemsOf(reply: Reply): any[] {
  if (reply.status >= 400) {
    assertProblem(reply)
    return [reply.body]
  }
  const problems = recordsOf(reply).flatMap((record) => (record?.error ? [record.error] : []))
  for (const problem of problems) assertBody(problem)
  return problems
}

/** The outcomes of a bulk answer. */
export function recordsOf({ headers, body }: Reply): any[] {
  if (headers.get('content-type')?.startsWith(NDJSON)) {
    const lines = typeof body === 'string' ? body.trim().split('\n') : [JSON.stringify(body)]
    return lines.map((line) => JSON.parse(line))
  }
  return Array.isArray(body?.data) ? body.data : []
}

/** That a refusal is problem+json with a code of ours and its status, and blames the caller or the load, never us. */
export function assertProblem({ status, headers, body }: Reply): void {
  assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/, JSON.stringify(body))
  assert.equal(body.status, status)
  assertBody(body)
  assert.equal(body.request_id, headers.get('x-request-id'))
  if (status === 503) assert.match(headers.get('retry-after') ?? '', /^\d+$/)
}

function assertBody(body: any): void {
  const known = ERRORS[body.code as keyof typeof ERRORS]
  assert.ok(known, `${body.code} is no code of ours`)
  assert.equal(body.status, known[0])
  assert.ok(body.status < 500 || body.code === 'overloaded', `${body.status} ${body.code}: ${body.detail}`)
  assert.equal(body.type, `urn:billing-gateway:problem:${body.code}`)
  assert.equal(typeof body.title, 'string')
  assert.equal(typeof body.detail, 'string')
  assert.doesNotMatch(JSON.stringify(body), /node_modules|\bat \S+ \(|select |insert |\bpg_|violates/)
  for (const error of body.errors) assert.ok(Object.hasOwn(ERRORS, error.code), error.code)
}

/** The value that a row of a list has under the name of a field, such as `exchange.rate`. */
export function valueAt(row: any, name: string): any {
  return name.split('.').reduce((value, part) => value?.[part], row)
}
