import { Type } from 'typebox'
import { EVENT_TYPES } from '../events/types.ts'
import { IdOf, OneOf, Time } from './schemas.ts'

export const POSITION = '2s-01k3v5f4t1f6mb2x9k4w5r8h3q'

export const Position = Type.String({
  description: 'The place of the event in the order of all: what a stream or a list goes on from.',
  examples: [POSITION],
})

export const Event = Type.Object(
  {
    id: IdOf('evt'),
    type: OneOf(EVENT_TYPES),
    created_at: Time,
    position: Position,
    data: Type.Object({
      object: Type.Record(Type.String(), Type.Unknown(), {
        description: 'The payment, account, schedule or webhook as its own call shows it, and as it was then.',
      }),
    }),
  },
  { title: 'Event' },
)
