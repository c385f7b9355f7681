// The calls of the API as a collection that Postman, Insomnia and their like import (format v2.1), made from the OpenAPI
// document: a folder for each tag, an example of each body, and the address and the token as variables.

const FORMAT = 'https://schema.getpostman.com/json/collection/v2.1.0/collection.json'
const JSON_TYPE = 'application/json'

type Schema = {
  readonly type?: string | readonly string[]
  readonly examples?: readonly unknown[]
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
}
type Parameter = {
  readonly name: string
  readonly in: string
  readonly description?: string
  readonly example?: unknown
}
type Operation = {
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly tags: readonly string[]
  readonly security: readonly unknown[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { schema: Schema; example?: unknown }>> }
}

/** The OpenAPI document, as far as it is read here. */
export type Document = {
  readonly info: { readonly title: string; readonly description?: string }
  readonly tags: readonly { readonly name: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

/** Keeps the token of a log-in for the calls after it. */
const KEEP_TOKEN = [
  {
    listen: 'test',
    script: {
      type: 'text/javascript',
      exec: ["if (pm.response.code === 201) pm.collectionVariables.set('token', pm.response.json().token)"],
    },
  },
]

/** Writes the collection of the document, once for all addresses, for the gateway at one. */
export function writtenCollection(document: Document): (baseUrl: string) => string {
  const collection = JSON.stringify(collectionOf(document))
  return (baseUrl) => {
    const variable = [
      { key: 'base_url', value: baseUrl, type: 'string' },
      { key: 'token', value: '', type: 'string' },
    ]
    return `${collection.slice(0, -1)},"variable":${JSON.stringify(variable)}}`
  }
}

/** All but the variables. */
function collectionOf({ info, tags, paths }: Document) {
  const calls = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
  const folders = tags.map(({ name }) => ({
    name,
    item: calls.filter(({ operation }) => operation.tags[0] === name).map(itemOf),
  }))
  return {
    info: { name: info.title, description: info.description ?? '', schema: FORMAT },
    auth: { type: 'bearer', bearer: [{ key: 'token', value: '{{token}}', type: 'string' }] },
    item: folders.filter(({ item }) => item.length > 0),
  }
}

type Call = { readonly method: string; readonly path: string; readonly operation: Operation }

function itemOf({ method, path, operation }: Call) {
  const { operationId, summary, description = '', security, requestBody } = operation
  const [content] = Object.entries(requestBody?.content ?? {})
  const type = content ? [{ key: 'Content-Type', value: content[0] }] : []
  return {
    name: summary,
    ...(operationId === 'logIn' ? { event: KEEP_TOKEN } : {}),
    request: {
      method,
      description,
      ...(security.length === 0 ? { auth: { type: 'noauth' } } : {}),
      header: [...type, ...optional(operation, 'header')],
      url: urlOf(path, operation),
      ...(content ? { body: bodyOf(content[0], content[1]) } : {}),
    },
  }
}

function urlOf(path: string, operation: Operation) {
  const segments = path
    .slice(1)
    .split('/')
    .map((segment) => segment.replace(/^\{(\w+)\}$/, ':$1'))
  const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
  return {
    raw: `{{base_url}}/${segments.join('/')}`,
    host: ['{{base_url}}'],
    path: segments,
    query: optional(operation, 'query'),
    variable: inPath.map(({ name, example, description = '' }) => ({ key: name, value: textOf(example), description })),
  }
}

/** Parameters to switch on where they are wanted. */
function optional({ parameters = [] }: Operation, place: string) {
  return parameters
    .filter((parameter) => parameter.in === place)
    .map(({ name, example, description = '' }) => ({ key: name, value: textOf(example), description, disabled: true }))
}

function bodyOf(type: string, { schema, example }: { readonly schema: Schema; readonly example?: unknown }) {
  const value = example ?? exampleOf(schema)
  const isText = typeof value === 'string'
  const raw = isText ? value : JSON.stringify(value, null, type === JSON_TYPE ? 2 : 0)
  return { mode: 'raw', raw, options: { raw: { language: isText ? 'text' : 'json' } } }
}

/** What a body may look like: with what it must have, and of the rest what has an example. */
function exampleOf({ type, properties, required = [], examples, enum: words, items }: Schema): unknown {
  if (examples?.[0] !== undefined) return examples[0]
  if (words?.[0] !== undefined) return words[0]
  if (properties) {
    const shown = Object.entries(properties).filter(([name, { examples: some }]) => required.includes(name) || some)
    return Object.fromEntries(shown.map(([name, field]) => [name, exampleOf(field)]))
  }
  const [first] = typeof type === 'string' ? [type] : (type ?? [])
  if (first === 'array') return items ? [exampleOf(items)] : []
  return first === 'object' ? {} : ''
}

function textOf(example: unknown): string {
  return example === undefined ? '' : String(example)
}
