// Writes packages/client/src/api.ts, the part of the client package that knows the calls of the API, from the OpenAPI
// document: `npm run client` after a route was added or changed. A test fails where that was not done.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readConfig } from '../src/config.ts'
import { createGateway } from '../src/gateway.ts'
import { createApp } from '../src/http/app.ts'
import { createLog } from '../src/log.ts'
import { run } from '../src/run.ts'
import { comment, createTypes, fieldsOf, indented, quoted, type Schema } from './client_types.ts'
import { withScratchDatabase } from './scratch.ts'

/** Where the generated part of the client is kept. */
export const CLIENT_FILE = join(import.meta.dirname, '../packages/client/src/api.ts')

const HEADER = `// Every call of the API with its types. Made by \`npm run client\` from the OpenAPI document, never edited by hand. A
// test fails where it is stale.
import type { ByMetadata, Filters, Page, Value } from './query.ts'
`

type Content = Readonly<Record<string, { readonly schema: Schema; readonly examples?: object }>>
type Parameter = {
  readonly name: string
  readonly in: string
  readonly required?: boolean
  readonly description?: string
  readonly schema: Schema
}
type Operation = {
  readonly operationId: string
  readonly summary: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required?: boolean; readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>
}
/** The OpenAPI document, as far as it is read here. */
export type Document = { readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> }

const JSON_TYPE = 'application/json'
const NDJSON = 'application/x-ndjson'
const KEY = 'idempotency-key'
/** Headers that the client sends by itself, as its options say, and one whose answer has no body. */
const OF_CLIENT = ['book', 'if-none-match', 'x-request-id']
/** Parameters that change the form of an answer: for \`request\`, which has no type for it. */
const SHAPING = ['format', 'fields', 'expand']

type Types = ReturnType<typeof createTypes>

/** The source of the generated part of the client. The same document gives the same text. */
export function clientSource(document: Document): string {
  const calls = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
  calls.sort((one, other) => (one.operation.operationId < other.operation.operationId ? -1 : 1))
  const types = createTypes()
  const typed = calls.map(({ method, path, operation }) => {
    const about = comment(`${operation.summary}. \`${method} ${path}\``)
    return `${about}\nreadonly ${operation.operationId}: ${callType(types, operation)}`
  })
  const table = calls.map(({ method, path, operation }) => {
    const parts = [`method: ${quoted(method)}`, `path: ${quoted(path)}`]
    const body = Object.keys(operation.requestBody?.content ?? {})[0]
    if (body !== undefined) parts.push(`body: ${quoted(body)}`)
    if (keyOf(operation)) parts.push('repeatable: true')
    const others = otherTypes(operation)
    if (others.length > 0) parts.push(`types: [${others.map(quoted).join(', ')}]`)
    return `${operation.operationId}: { ${parts.join(', ')} },`
  })
  const codes = [...new Set(calls.flatMap(({ operation }) => codesOf(operation)))].sort()
  const named = [...types.named].sort(([one], [other]) => (one < other ? -1 : 1))
  return [
    HEADER,
    `/** The stable codes of errors. */\nexport type ErrorCode =\n${indented(codes.map((code) => `| ${quoted(code)}`).join('\n'))}\n`,
    ...named.map(([name, type]) => `export type ${name} = ${type}\n`),
    `/** What each call takes, by its operationId, and what it answers. */\nexport type Operations = {\n${indented(typed.join('\n'))}\n}\n`,
    `/** How each call is made. */\nexport const operations = {\n${indented(table.join('\n'))}\n} as const\n`,
  ].join('\n')
}

/** What a call takes and answers; where it takes or answers records one a line, also what these are. */
function callType(types: Types, operation: Operation): string {
  const { requestBody, responses } = operation
  const answers = Object.entries(responses).filter(([status]) => status.startsWith('2'))
  const contents = answers.map(([, { content }]) => content ?? {})
  const whole = [...new Set(contents.map((content) => wholeOf(types, content)))].join(' | ') || 'never'
  const fields = [
    { name: 'input', type: inputType(types, operation) },
    { name: 'answer', type: whole },
  ]
  const line = contents.map((content) => content[NDJSON]?.schema).find((schema) => schema && schema.type !== 'string')
  const sent = requestBody?.content[NDJSON]?.schema
  if (line && sent) {
    fields.push({
      name: 'line',
      type: fieldsOf([
        { name: 'sent', type: types.typeOf(sent) },
        { name: 'answered', type: types.typeOf(line) },
      ]),
    })
  }
  const others = otherTypes(operation)
  if (others.length > 0) fields.push({ name: 'types', type: others.map(quoted).join(' | ') })
  return fieldsOf(fields)
}

/** The types of content besides JSON that a call may be answered with. */
function otherTypes({ responses }: Operation): string[] {
  const answers = Object.entries(responses).filter(([status]) => status.startsWith('2'))
  const all = answers.flatMap(([, { content }]) => Object.keys(content ?? {}))
  return [...new Set(all)].filter((type) => type !== JSON_TYPE)
}

/** What a call is answered as a whole: never for one whose answer is a stream, or no answer of HTTP at all. */
function wholeOf(types: Types, content: Content): string {
  const [type] = Object.keys(content)
  if (type === undefined) return 'void'
  if (type === JSON_TYPE) return types.typeOf(content[JSON_TYPE]?.schema ?? {})
  return type === 'text/plain' || type === 'application/xml' ? 'string' : 'never'
}

function inputType(types: Types, operation: Operation): string {
  const { parameters = [], requestBody, responses } = operation
  const placed = (place: string) => parameters.filter((parameter) => parameter.in === place && parameter.name !== KEY)
  const fields: { name: string; type: string }[] = []
  const path = placed('path')
  if (path.length > 0) fields.push({ name: 'path', type: fieldsOf(path.map(({ name }) => ({ name, type: 'string' }))) })
  const query = placed('query')
  if (query.length > 0)
    fields.push({
      name: query.some(({ required }) => required) ? 'query' : 'query?',
      type: queryType(types, query, responses),
    })
  const headers = placed('header').filter(({ name }) => !OF_CLIENT.includes(name))
  if (headers.length > 0) fields.push({ name: 'headers?', type: parametersType(types, headers) })
  const [[type, body] = []] = Object.entries(requestBody?.content ?? {})
  if (type !== undefined && type !== NDJSON) {
    const written = type === JSON_TYPE ? types.typeOf(body?.schema ?? {}) : 'string | Uint8Array<ArrayBuffer>'
    fields.push({ name: requestBody?.required ? 'body' : 'body?', type: written })
    const kinds = Object.keys(requestBody?.content ?? {}).filter((kind) => kind !== NDJSON)
    if (kinds.length > 1) fields.push({ name: 'type', type: kinds.map(quoted).join(' | ') })
  }
  if (keyOf(operation)) fields.push({ name: 'idempotencyKey?', type: 'string' })
  return fields.length > 0 ? fieldsOf(fields) : '{}'
}

/** The parameters of a query; of a list with what may be asked of each field. */
function queryType(types: Types, query: readonly Parameter[], responses: Operation['responses']): string {
  const filters = query.filter(({ schema }) => schema['x-operators'])
  const plain = query.filter(({ schema, name }) => !schema['x-operators'] && !SHAPING.includes(name))
  const parts = plain.length > 0 ? [parametersType(types, plain)] : []
  if (filters.length > 0) {
    const names = filters.map(({ name }) => quoted(name)).join(' | ')
    const texts = filters
      .filter(({ schema }) => schema['x-operators']?.includes('like'))
      .map(({ name }) => quoted(name))
    parts.push(`Filters<${names}, ${texts.join(' | ') || 'never'}>`)
    const row = responses['200']?.content?.[JSON_TYPE]?.schema.properties?.data?.items
    if (row?.properties?.metadata) parts.push('ByMetadata')
  }
  return parts.join(' & ')
}

function parametersType(types: Types, parameters: readonly Parameter[]): string {
  return fieldsOf(
    parameters.map(({ name, required, schema }) => {
      const written = /^\w+$/.test(name) ? name : quoted(name)
      return { name: required ? written : `${written}?`, type: schema.enum ? types.typeOf(schema) : 'Value' }
    }),
  )
}

function keyOf({ parameters = [] }: Operation): boolean {
  return parameters.some(({ name }) => name === KEY)
}

function codesOf({ responses }: Operation): string[] {
  return Object.values(responses).flatMap(({ content }) =>
    Object.keys(content?.['application/problem+json']?.examples ?? {}),
  )
}

/** Says where the kept source is not that of the document. Undefined where it is. */
export function staleClient(kept: string, source: string): string | undefined {
  if (kept === source) return undefined
  const was = kept.split('\n')
  const line = source.split('\n').findIndex((text, index) => text !== was[index])
  return `packages/client/src/api.ts is stale from line ${line + 1} on: the API has changed. Run: npm run client`
}

/** The document of a gateway with the default settings. */
async function readDocument(): Promise<Document> {
  return withScratchDatabase('bgw-client-', async (connection, folder) => {
    const config = readConfig({ BGW_DATA_DIR: folder, BGW_LOG_LEVEL: 'silent' })
    const gateway = await createGateway(connection, config, () => '', createLog(config.logLevel))
    const app = await createApp(gateway)
    try {
      await app.ready()
      return JSON.parse(JSON.stringify(app.swagger()))
    } finally {
      await app.close()
      await gateway.stop()
    }
  })
}

if (import.meta.main) {
  await run(async () => {
    await writeFile(CLIENT_FILE, clientSource(await readDocument()))
    process.stdout.write('packages/client/src/api.ts is written\n')
  })
}
