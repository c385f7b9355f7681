import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { formatInstant } from '../../database/instant.ts'
import type { Scope } from '../../database/list.ts'
import { QueryError } from '../../database/list_fields.ts'
import { equalTo, type ListQuery } from '../../database/list_query.ts'
import { bookEvents, inBook, objectId, ofObject, ofUser, userEvents, userEventsOfObject } from '../../events/list.ts'
import { decodePosition, type Position } from '../../events/position.ts'
import { type EventRow, withObjects } from '../../events/read.ts'
import type { Gateway } from '../../gateway.ts'
import type { BookId, Instant } from '../../ledger/id.ts'
import { bearerOf, sessionOf } from '../authentication.ts'
import { ApiError } from '../errors.ts'
import { Event, POSITION } from '../event_schemas.ts'
import { type PresentAll, sendList } from '../list.ts'
import { presentPlacedEvent } from '../present.ts'
import { type App, describe, listQuery } from '../route.ts'
import { PageOf, Time } from '../schemas.ts'
import { sendHead, streamEvents } from '../streams/server_sent.ts'
import { refuseTooOld, type Streams } from '../streams/streams.ts'
import { issueTicket, readTicket, ticketOf } from '../streams/tickets.ts'

const tag = 'Events'

/** Events as a list and as a stream of Server-Sent Events (api.md, Events). */
export function eventRoutes(app: App, gateway: Gateway, streams: Streams): void {
  app.get('/v1/events', {
    schema: describe({
      operationId: 'listEvents',
      summary: 'What happened to your payments, accounts and schedules',
      description:
        'In the order in which it was committed, newest first; `sort=position` is oldest first. `position[gt]` goes on from an event.',
      tag,
      errors: ['position_too_old'],
      querystring: listQuery(userEvents.fields),
      response: { 200: PageOf(Event) },
    }),
    handler: (request, reply) => {
      const { home, userId } = sessionOf(request)
      const instead = (query: ListQuery) => {
        const object = objectId(equalTo(query, 'object_id') ?? '')
        return object && { spec: userEventsOfObject, scope: whereKept(gateway, ofObject(home, userId, object)) }
      }
      return sendList(gateway.pool, request, reply, {
        spec: userEvents,
        scope: whereKept(gateway, ofUser(home, userId)),
        instead,
        present: presentAll(gateway, home),
      })
    },
  })

  app.get('/v1/events/stream', {
    config: { byTicket: true },
    schema: describe({
      operationId: 'streamEvents',
      summary: 'Your events as they happen, as Server-Sent Events',
      description:
        '`id` is the position of an event: sent back as `Last-Event-ID` or `after`, the stream goes on behind it. Ends when ' +
        'the token does. A ticket of `POST /v1/events/tickets` does instead of the token.',
      tag,
      errors: ['position_too_old', 'too_many_streams'],
      headers: Type.Object({ 'last-event-id': Type.Optional(Type.String()) }),
      querystring: Type.Object(
        {
          ticket: Type.Optional(Type.String({ maxLength: 1_000 })),
          after: Type.Optional(Type.String({ maxLength: 100, examples: [POSITION] })),
        },
        { additionalProperties: false },
      ),
      onlyType: 'text/event-stream',
      unkept: true,
      response: { 200: Type.String() },
    }),
    handler: async (request, reply) => {
      const { home: book, userId } = sessionOf(request)
      const after = namedPosition(request)
      await refuseTooOld(gateway, after)
      if (request.method === 'HEAD') return sendHead({ streams, reply, userId })
      await streamEvents({ streams, reply, book, userId, session: askAgain(gateway, request), after })
    },
  })

  app.post('/v1/events/tickets', {
    schema: describe({
      operationId: 'createStreamTicket',
      summary: 'A ticket that opens one stream of events',
      description:
        'For an EventSource, which can send no token: `/v1/events/stream?ticket=…`, once, within 30 seconds.',
      tag,
      response: { 201: Type.Object({ ticket: Type.String(), expires_at: Time }) },
    }),
    handler: async (request, reply) => {
      const { ticket, expiresAt } = await issueTicket(gateway, bearerOf(request))
      return reply.code(201).send({ ticket, expires_at: formatInstant((BigInt(expiresAt) * 1_000n) as Instant) })
    },
  })

  app.get('/v1/admin/events', {
    schema: describe({
      operationId: 'listEventsOfBook',
      summary: 'All events',
      tag: 'Operators',
      errors: ['not_found', 'position_too_old'],
      querystring: listQuery(bookEvents.fields),
      response: { 200: PageOf(Event) },
    }),
    handler: (request, reply) => {
      const { book } = sessionOf(request)
      const listing = { spec: bookEvents, scope: whereKept(gateway, inBook(book)), present: presentAll(gateway, book) }
      return sendList(gateway.pool, request, reply, listing)
    },
  })
}

/** Throws `position_too_old` where a list is to go on behind a position, and not all that was there is kept any more. */
function whereKept(gateway: Gateway, scope: Scope) {
  return async ({ filters }: ListQuery): Promise<Scope> => {
    for (const filter of filters) {
      const goesOn = 'field' in filter && filter.field === 'position' && ['gt', 'gte'].includes(filter.operator)
      if (goesOn) await refuseTooOld(gateway, decodePosition(filter.value))
    }
    return scope
  }
}

/** Where a stream is to go on, by the header or the query. Throws where that is no position. */
function namedPosition({ headers, query }: FastifyRequest): Position | undefined {
  const { after } = query as { readonly after?: string }
  const header = headers['last-event-id']
  const named = header === undefined ? after : String(header)
  if (named === undefined) return undefined
  const position = decodePosition(named)
  if (position) return position
  if (header === undefined) throw new QueryError('after', 'is no position of an event')
  throw new ApiError('invalid_header', 'Last-Event-ID is no position of an event')
}

/** What tells whether the token that a stream was opened with is still good. */
function askAgain(gateway: Gateway, request: FastifyRequest) {
  const ticket = ticketOf(request)
  if (ticket === undefined) {
    const token = bearerOf(request)
    return () => gateway.sessions.find(token)
  }
  const stored = readTicket(gateway, ticket)
  return () => gateway.sessions.findStored(stored)
}

/** The rows of a page are its events without what they tell of. */
export function presentAll({ pool }: Pick<Gateway, 'pool'>, book: BookId): PresentAll<EventRow> {
  return { all: async (rows) => (await withObjects(pool, book, rows)).map(presentPlacedEvent) }
}
