import websocket from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Gateway } from '../../gateway.ts'
import { ApiError } from '../errors.ts'
import { type App, describe } from '../route.ts'
import type { Streams } from '../streams/streams.ts'
import { converse } from '../streams/websocket.ts'
import { isHandshake } from '../unrouted.ts'

/** The subprotocol that carries a token: browsers can send no header with a WebSocket. */
const BEARER = 'bearer'
/** The standard and the draft before it, which differ in nothing that is used here. */
const VERSIONS = new Set(['13', '8'])
const KEY = /^[+/0-9a-z]{22}==$/i
const LARGEST_MESSAGE = 64 * 1024

/** Events over a WebSocket (api.md, Events). */
export async function webSocketRoutes(app: App, gateway: Gateway, streams: Streams): Promise<void> {
  await app.register(websocket, {
    options: {
      maxPayload: LARGEST_MESSAGE,
      // The token is not said back.
      handleProtocols: (protocols) => (protocols.has(BEARER) ? BEARER : false),
      // Thousands of compressors would hold more memory than they save.
      perMessageDeflate: false,
    },
    // The streams end all of their lines themselves.
    preClose: (done) => done(),
    errorHandler: (_error, socket) => socket.terminate(),
  })
  const { allowedOrigins: allowed } = gateway.config

  app.route({
    method: 'GET',
    url: '/v1/ws',
    onRequest: async (request) => {
      refuseForeignOrigin(request, allowed)
      if (isHandshake(request.raw)) refuseOddHandshake(request)
    },
    schema: describe({
      operationId: 'openWebSocket',
      summary: 'Your events over a WebSocket',
      description: DESCRIPTION,
      tag: 'Events',
      errors: ['upgrade_required'],
      unkept: true,
      response: { 101: Type.Null({ description: 'It is a WebSocket from here on.' }) },
    }),
    handler: async () => {
      throw new ApiError('upgrade_required')
    },
    wsHandler: (socket, request) => converse({ gateway, streams, socket }, tokenOf(request)),
  })
}

const DESCRIPTION = `
The token goes in \`Sec-WebSocket-Protocol: bearer, bgw_…\`, or in the first message. Messages are JSON objects:
\`{"token": "bgw_…"}\`, \`{"subscribe": ["pay_…", "acc_…", "sch_…", "*"], "after": "…"}\`, \`{"unsubscribe": […]}\` and
\`{"ping": "…"}\`; answered by \`authenticated\`, \`subscribed\` with the \`position\`, a \`state\` for each thing
that is named by its id, an \`event\` for each change from there on, \`unsubscribed\`, \`pong\` and \`error\`.`

function tokenOf({ headers }: FastifyRequest): string | undefined {
  const [scheme, token] = (headers['sec-websocket-protocol'] ?? '').split(',').map((part) => part.trim())
  return scheme === BEARER ? token : undefined
}

/** A page of another site must not open a WebSocket with what its visitor's browser knows. */
function refuseForeignOrigin({ headers }: FastifyRequest, allowed: ReadonlySet<string>): void {
  const { origin, host } = headers
  if (origin === undefined || allowed.has(origin)) return
  if (URL.canParse(origin) && new URL(origin).host === host) return
  throw new ApiError('invalid_header', 'Pages of this Origin may not open a WebSocket here')
}

/** What the library would answer with bare words (RFC 6455 §4.2). */
function refuseOddHandshake({ headers }: FastifyRequest): void {
  if (!VERSIONS.has(headers['sec-websocket-version'] ?? '')) {
    throw new ApiError('upgrade_required', 'Of WebSocket only version 13 is spoken here')
  }
  if (KEY.test(headers['sec-websocket-key'] ?? '')) return
  const [field, detail] = ['sec-websocket-key', 'must be 16 bytes in base64']
  throw new ApiError('invalid_header', `${field} ${detail}`, [{ field, code: 'invalid_header', detail }])
}
