import type { OutgoingHttpHeaders } from 'node:http'
import swagger from '@fastify/swagger'
import fastify, { type FastifySchema } from 'fastify'
import { type Document, writtenCollection } from './collection.ts'
import { ANSWER_HEADERS, type Call, type DescribedOperation, describeHeaders } from './document_headers.ts'
import { ApiError, ERRORS } from './errors.ts'
import { type App, OPTIONAL_BODY, UNKEPT } from './route.ts'

const DESCRIPTION = `
Accounts in several currencies, and payments between them, on double-entry books.

Amounts are decimal strings in the currency's unit. Times are RFC 3339, UTC. Send \`Authorization: Bearer bgw_…\`.
Lists take \`field=value\`, \`field[gt|gte|lt|lte|ne|in|like]=value\`, \`metadata[key]=value\` and \`metadata[key][…]=value\`, \`sort\`, \`limit\` and \`cursor\`.
An \`Idempotency-Key\` makes any POST that moves or creates safe to repeat.

Errors are problem+json (RFC 9457) with a stable \`code\`:

| code | status | |
| --- | --- | --- |
${Object.entries(ERRORS)
  .map(([code, [status, title]]) => `| \`${code}\` | ${status} | ${title} |`)
  .join('\n')}
`

const JSON_TYPE = 'application/json; charset=utf-8'

/** What every read that has an ETag may be answered, see etag.ts. */
const NOT_MODIFIED = { type: 'null', description: '`If-None-Match` names the `ETag` that it still has.' }

/**
 * Serves `/openapi.json`, which is made from the schemas of the routes, `/docs`, a page to read it, and
 * `/collection.json`, the same for Postman and Insomnia.
 */
export async function documentApi(app: App, publicUrl: string | undefined): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'billing-gateway',
        version: '0.1.0',
        description: DESCRIPTION,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      // Only its path, as the gateway may be reached by more than one name.
      servers: [{ url: publicUrl ? new URL(publicUrl).pathname : '/' }],
      tags: [
        'Identity',
        'Accounts',
        'Payments',
        'Operations',
        'Proofs',
        'Events',
        'Webhooks',
        'Operators',
        'Running',
      ].map((name) => ({
        name,
      })),
      components: {
        securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'bgw_…' } },
        headers: ANSWER_HEADERS,
      },
    },
    transformObject: (document) => {
      if (!('openapiObject' in document)) return document.swaggerObject
      const { openapiObject } = document
      for (const call of callsOf(openapiObject.paths ?? {})) {
        const { operation } = call
        describeHeaders(call)
        if (operation[OPTIONAL_BODY]) operation.requestBody = { ...(operation.requestBody as object), required: false }
        delete operation[OPTIONAL_BODY]
      }
      return openapiObject
    },
    transform: ({ schema: described, url, route }) => {
      const { [UNKEPT]: isUnkept, ...schema } = described as FastifySchema & { readonly [UNKEPT]?: true }
      if (route.method !== 'GET' || !url.startsWith('/v1/') || isUnkept) return { schema, url }
      const response = { ...(schema.response as object), 304: NOT_MODIFIED }
      return { schema: { ...schema, response }, url }
    },
  })
  writtenDocuments(app, publicUrl)
  readablePage(app)
}

/**
 * Both are long, and anybody may ask for them, hundreds of times with one packet: they are written once, as each time would
 * keep everybody waiting.
 */
function writtenDocuments(app: App, publicUrl: string | undefined): void {
  let document: Buffer | undefined
  let collection: ReturnType<typeof writtenCollection> | undefined
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    document ??= Buffer.from(JSON.stringify(app.swagger()))
    return reply.type(JSON_TYPE).send(document)
  })
  app.get('/collection.json', { schema: { hide: true } }, async ({ protocol, host }, reply) => {
    collection ??= writtenCollection(app.swagger() as unknown as Document)
    return reply.type(JSON_TYPE).send(collection(publicUrl ?? `${protocol}://${host}`))
  })
}

type Operation = DescribedOperation & Record<string, unknown>

function callsOf(paths: object): (Call & { readonly operation: Operation })[] {
  return Object.entries(paths as Record<string, Record<string, Operation>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  )
}

/**
 * The page is a library of five megabytes that few starts need: it is loaded for whoever asks first, and its few files are
 * the same for all. All that it names is relative to where it is, which may be behind a path of a proxy.
 */
function readablePage(app: App): void {
  let page: ReturnType<typeof loadPage> | undefined
  const files = new Map<string, Promise<PageFile>>()

  async function load(name: string): Promise<PageFile> {
    page ??= loadPage()
    const path = name.split('/').map(encodeURIComponent).join('/')
    return (await page).inject({ url: `/docs/${path}` })
  }

  async function fileOf(name: string): Promise<PageFile> {
    const loading = files.get(name) ?? load(name)
    files.set(name, loading)
    const isThere = await loading.then(({ statusCode }) => statusCode === 200).catch(() => false)
    if (!isThere) files.delete(name)
    return loading
  }

  app.get('/docs', { schema: { hide: true } }, async (_request, reply) => reply.redirect('docs/', 301))
  app.get('/docs/*', { schema: { hide: true } }, async (request, reply) => {
    const { statusCode, headers, rawPayload } = await fileOf((request.params as { readonly '*': string })['*'])
    if (statusCode === 404) throw new ApiError('not_found')
    return reply.code(statusCode).headers(headers).headers(PAGE_HEADERS).send(rawPayload)
  })
}

type PageFile = {
  readonly statusCode: number
  readonly headers: OutgoingHttpHeaders
  readonly rawPayload: Buffer
}

async function loadPage() {
  const { default: scalar } = await import('@scalar/fastify-api-reference')
  const page = fastify()
  await page.register(scalar, {
    routePrefix: '/docs',
    configuration: {
      url: '../openapi.json',
      pageTitle: 'billing-gateway: the API',
      telemetry: false,
      withDefaultFonts: false,
      hideClientButton: true,
      // Services of the library's makers, to whom they would send the document.
      agent: { disabled: true },
      mcp: { disabled: true },
      showDeveloperTools: 'never',
    },
  })
  return page
}

/** The page of the library runs inline scripts and styles; all of it comes from here. */
const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'",
}
