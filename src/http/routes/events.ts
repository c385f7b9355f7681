import { Type } from 'typebox'
import { bookEvents, inBook, ofUser, userEvents } from '../../events/list.ts'
import { type EventRow, withObjects } from '../../events/read.ts'
import type { Gateway } from '../../gateway.ts'
import type { BookId } from '../../ledger/id.ts'
import { bearerOf, sessionOf } from '../authentication.ts'
import { Event } from '../event_schemas.ts'
import { type PresentAll, sendList } from '../list.ts'
import { presentPlacedEvent } from '../present.ts'
import { type App, describe, listQuery } from '../route.ts'
import { PageOf } from '../schemas.ts'
import { streamEvents } from '../streams/server_sent.ts'
import { type Streams, startingPosition } from '../streams/streams.ts'

const tag = 'Events'

/** Events as a list and as a stream of Server-Sent Events (api.md, Events). */
export function eventRoutes(app: App, gateway: Gateway, streams: Streams): void {
  app.get('/v1/events', {
    schema: describe({
      operationId: 'listEvents',
      summary: 'What happened to your payments and accounts',
      description:
        'In the order in which it was committed, newest first; `sort=position` is oldest first. `position[gt]` goes on from an event.',
      tag,
      querystring: listQuery(userEvents.fields),
      response: { 200: PageOf(Event) },
    }),
    handler: (request, reply) => {
      const { home, userId } = sessionOf(request)
      const listing = { spec: userEvents, scope: ofUser(home, userId), present: presentAll(gateway, home) }
      return sendList(gateway.pool, request, reply, listing)
    },
  })

  app.get('/v1/events/stream', {
    schema: describe({
      operationId: 'streamEvents',
      summary: 'Your events as they happen, as Server-Sent Events',
      description:
        '`id` is the position of an event: sent back as `Last-Event-ID`, the stream goes on behind it. Ends when the token does.',
      tag,
      errors: ['position_too_old'],
      headers: Type.Object({ 'last-event-id': Type.Optional(Type.String()) }),
      onlyType: 'text/event-stream',
      response: { 200: Type.String() },
    }),
    handler: async (request, reply) => {
      const { home: book, userId } = sessionOf(request)
      const header = request.headers['last-event-id']
      const after = startingPosition(header === undefined ? undefined : String(header), gateway.config.eventDays)
      await streamEvents({ streams, reply, book, userId, token: bearerOf(request), after })
    },
  })

  app.get('/v1/admin/events', {
    schema: describe({
      operationId: 'listEventsOfBook',
      summary: 'All events',
      tag: 'Operators',
      errors: ['not_found'],
      querystring: listQuery(bookEvents.fields),
      response: { 200: PageOf(Event) },
    }),
    handler: (request, reply) => {
      const { book } = sessionOf(request)
      const listing = { spec: bookEvents, scope: inBook(book), present: presentAll(gateway, book) }
      return sendList(gateway.pool, request, reply, listing)
    },
  })
}

/** The rows of a page are its events without what they tell of. */
function presentAll({ pool }: Gateway, book: BookId): PresentAll<EventRow> {
  return { all: async (rows) => (await withObjects(pool, book, rows)).map(presentPlacedEvent) }
}
