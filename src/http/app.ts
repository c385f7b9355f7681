import type { Socket } from 'node:net'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import fastify, { type FastifyBaseLogger, type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import type { Gateway } from '../gateway.ts'
import { requireAccess } from './access.ts'
import { refuseOverload } from './admission.ts'
import { auditRefusals } from './audited_refusals.ts'
import { authenticator, authorizer } from './authentication.ts'
import { parseStrictJson } from './body.ts'
import { resetBrokenOff } from './broken_off.ts'
import { documentApi } from './document.ts'
import { endWithTokens } from './ended_tokens.ts'
import { ApiError } from './errors.ts'
import { addEtags } from './etag.ts'
import { boundHeldBytes } from './held_bytes.ts'
import { limitRequests } from './limiting.ts'
import { mailPages } from './mail_pages.ts'
import { createMetrics } from './metrics.ts'
import { allowOrigins, originHeaders } from './origins.ts'
import { createHolding } from './places.ts'
import { sendProblem } from './problem.ts'
import { refusalOfRepeated } from './repeated_headers.ts'
import type { App } from './route.ts'
import { accountRoutes } from './routes/accounts.ts'
import { adminRoutes } from './routes/admin.ts'
import { adminAccountRoutes } from './routes/admin_accounts.ts'
import { adjustmentRoutes } from './routes/admin_adjustments.ts'
import { adminCurrencyRoutes } from './routes/admin_currencies.ts'
import { adminFeeRoutes } from './routes/admin_fees.ts'
import { adminLimitRoutes } from './routes/admin_limits.ts'
import { adminRailRoutes } from './routes/admin_rails.ts'
import { adminRateRoutes, rateImportRoutes } from './routes/admin_rates.ts'
import { adminUserRoutes } from './routes/admin_users.ts'
import { wireListRoutes, wireUploadRoutes } from './routes/admin_wire.ts'
import { wireBatchRoutes } from './routes/admin_wire_batches.ts'
import { wireEntryRoutes } from './routes/admin_wire_entries.ts'
import { bulkRoutes } from './routes/bulk.ts'
import { deliveryRoutes } from './routes/deliveries.ts'
import { eventRoutes } from './routes/events.ts'
import { healthRoutes } from './routes/health.ts'
import { identityRoutes } from './routes/identity.ts'
import { importRoutes } from './routes/import.ts'
import { limitRoutes } from './routes/limits.ts'
import { meRoutes } from './routes/me.ts'
import { operationRoutes } from './routes/operations.ts'
import { ownUserRoutes } from './routes/own_user.ts'
import { passwordRoutes } from './routes/passwords.ts'
import { paymentActionRoutes } from './routes/payment_actions.ts'
import { paymentRoutes } from './routes/payments.ts'
import { positionRoutes } from './routes/position.ts'
import { privacyRoutes } from './routes/privacy.ts'
import { proofRoutes } from './routes/proofs.ts'
import { railCallbackRoutes } from './routes/rail_callbacks.ts'
import { railRoutes } from './routes/rails.ts'
import { rateRoutes } from './routes/rates.ts'
import { reportRoutes } from './routes/reports.ts'
import { scheduleRoutes } from './routes/schedules.ts'
import { secondFactorRoutes } from './routes/second_factor.ts'
import { statementRoutes } from './routes/statements.ts'
import { tokenRoutes } from './routes/tokens.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import { webSocketRoutes } from './routes/websocket.ts'
import { serializerOf } from './serialization.ts'
import { createStreams, type Streams } from './streams/streams.ts'
import { endUnread } from './unread_answers.ts'
import { hangUp, headersOfAll, isHandshake, refuseTunnel, requestIdOf } from './unrouted.ts'
import { needsNoBody, refuseOddBodies, validatorOf } from './validation.ts'

/** The largest body of an ordinary request (api.md, Everywhere). */
const LARGEST_BODY = 1024 * 1024

/**
 * The HTTP face of a gateway, ready to listen. Hooks that have nothing to wait for say when they are done: a promise for
 * each of them, on every request, costs more than what they do.
 */
export async function createApp(gateway: Gateway): Promise<App> {
  const app: App = fastify({
    loggerInstance: gateway.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    bodyLimit: LARGEST_BODY,
    requestTimeout: 120_000,
    forceCloseConnections: 'idle',
    // What still arrives on open connections while the app closes is answered too, and then the connection ended.
    return503OnClosing: false,
    trustProxy: gateway.config.trustedProxies.length > 0 && [...gateway.config.trustedProxies],
    genReqId: (request) => requestIdOf(request.headers['x-request-id']),
    // Before any hook: what the hooks say in a header is said here.
    frameworkErrors: (error, request, reply) => {
      const toPages = originHeaders(gateway.config.allowedOrigins, request.headers.origin)
      void sendProblem(error, request, withHeadersOfAll(request, reply).headers(toPages))
    },
    clientErrorHandler: hangUp,
    http: { requireHostHeader: false, shouldUpgradeCallback: isHandshake },
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: 200 },
  }).withTypeProvider<TypeBoxTypeProvider>()

  nameAnswers(app)
  allowOrigins(app, gateway.config.allowedOrigins)
  answerInNodesPlace(app)
  readStrictJson(app)
  app.setValidatorCompiler(validatorOf)
  refuseOddBodies(app)
  app.setSerializerCompiler(serializerOf)
  app.setErrorHandler(sendProblem)
  app.setNotFoundHandler({ preHandler: [] }, (request, reply) => sendProblem(new ApiError('not_found'), request, reply))
  app.decorateRequest('session', null)
  requireAccess(app)
  const metrics = createMetrics(app, gateway)
  refuseOverload(app, gateway.config.allowedOrigins, metrics.count)
  readWholeAddresses(app)
  limitRequests(app, gateway, authenticator(gateway), authorizer(gateway))
  refuseUnrouted(app)
  endWithTokens(app, gateway)
  auditRefusals(app, gateway)
  logRequests(app)
  addEtags(app)
  endUnread(app)
  boundHeldBytes(app)
  resetBrokenOff(app)
  const streams = createStreams(gateway)
  endStreamsOnClose(app, gateway, streams)

  await documentApi(app, gateway.config.publicUrl)
  // A scope of its own, so that content types of one group of routes are unknown to the others.
  await app.register(async (scope) => {
    const routes = scope as App
    healthRoutes(routes, gateway, metrics.text)
    identityRoutes(routes, gateway)
    meRoutes(routes, gateway)
    passwordRoutes(routes, gateway)
    secondFactorRoutes(routes, gateway)
    ownUserRoutes(routes, gateway)
    tokenRoutes(routes, gateway)
    accountRoutes(routes, gateway)
    documentRoutes(routes, gateway)
    paymentRoutes(routes, gateway)
    paymentActionRoutes(routes, gateway)
    scheduleRoutes(routes, gateway)
    proofRoutes(routes, gateway)
    railRoutes(routes, gateway)
    operationRoutes(routes, gateway)
    eventRoutes(routes, gateway, streams)
    webhookRoutes(routes, gateway)
    deliveryRoutes(routes, gateway)
    operatorRoutes(routes, gateway)
    rateRoutes(routes, gateway)
    limitRoutes(routes, gateway)
    reportRoutes(routes, gateway)
    for (const group of [positionRoutes, wireListRoutes, wireBatchRoutes, wireEntryRoutes]) group(routes, gateway)
  })
  await app.register(async (scope) => webSocketRoutes(scope as App, gateway, streams))
  for (const group of [bulkRoutes, railCallbackRoutes, importRoutes, rateImportRoutes, wireUploadRoutes, mailPages]) {
    await app.register(async (scope) => group(scope as App, gateway))
  }
  return app
}

/** Of statements and of exports of all data together, each of which is much work, a node makes so many at once for a user. */
const MOST_DOCUMENTS = 10

function documentRoutes(app: App, gateway: Gateway): void {
  const holdPlace = createHolding(MOST_DOCUMENTS, 'statements or exports are being made for you')
  statementRoutes(app, gateway, holdPlace)
  privacyRoutes(app, gateway, holdPlace)
}

/** What is there for operators, and shown to auditors. */
function operatorRoutes(app: App, gateway: Gateway): void {
  adminRailRoutes(app, gateway)
  adminRoutes(app, gateway)
  adminCurrencyRoutes(app, gateway)
  adjustmentRoutes(app, gateway)
  adminAccountRoutes(app, gateway)
  adminUserRoutes(app, gateway)
  adminRateRoutes(app, gateway)
  adminFeeRoutes(app, gateway)
  adminLimitRoutes(app, gateway)
}

/** The one content type of routes that name no other. */
function readStrictJson(app: App): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    try {
      // Many HTTP libraries name the type of a body where they send none.
      done(null, body.length === 0 && needsNoBody(request) ? undefined : parseStrictJson(body))
    } catch (error) {
      done(error as Error)
    }
  })
}

function nameAnswers(app: App): void {
  app.addHook('onRequest', (request, reply, done) => {
    withHeadersOfAll(request, reply)
    done()
  })
}

/** What names a host where a path would do is its path and query (RFC 9112 §3.2.2), before anything looks at it. */
function readWholeAddresses({ server }: App): void {
  server.prependListener('request', (request) => {
    if (request.url?.startsWith('/')) return
    request.url = request.url?.replace(/^https?:\/\/[^/?]*\/?/i, '/')
  })
}

/**
 * What Node would answer itself, with a bare 417 or 400, or not at all. An expectation that is not known may as well be
 * ignored (RFC 9110 §10.1.1). Of HTTP/1.1 every request names a host (RFC 9112 §3.2), and what else comes from whoever
 * leaves it out is not read.
 */
function answerInNodesPlace(app: App): void {
  const { server } = app
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
  server.on('connect', (_request, socket) => refuseTunnel(socket as Socket))
  // Nobody reads on a connection that was handed over for a WebSocket, and became none.
  app.addHook('onResponse', ({ raw }, _reply, done) => {
    if (isHandshake(raw)) raw.socket.destroySoon()
    done()
  })
  app.addHook('onRequest', ({ raw, headers }, reply, done) => {
    if (raw.httpVersion !== '1.1' || headers.host !== undefined) return done(refusalOfRepeated(raw))
    reply.header('connection', 'close')
    done(new ApiError('malformed_request'))
  })
}

/** What is sent to where nothing is, is not read: it would be refused for what is wrong with it. */
function refuseUnrouted(app: App): void {
  app.addHook('onRequest', ({ is404 }, _reply, done) => done(is404 ? new ApiError('not_found') : undefined))
}

/** With what every answer says in its headers. */
function withHeadersOfAll(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply.headers(headersOfAll(request.id))
}

/** Whoever keeps a stream open, or waits for a payment to become final, does not hold up the end. */
function endStreamsOnClose(app: App, { watch }: Gateway, streams: Streams): void {
  app.addHook('preClose', async () => {
    watch.stop()
    streams.stop()
  })
}

/** One line a request: never a header, a body or a query, which may hold secrets. */
function logRequests(app: App): void {
  app.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions } = request
    const milliseconds = Math.round(reply.elapsedTime * 10) / 10
    request.log.info({ method, route: routeOptions.url, status: reply.statusCode, ms: milliseconds }, 'request')
    done()
  })
}
