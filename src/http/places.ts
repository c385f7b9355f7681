import type { FastifyReply, FastifyRequest } from 'fastify'
import type { UserId } from '../ledger/id.ts'
import { sessionOf } from './authentication.ts'
import { ApiError } from './errors.ts'

/** Places on this node for what is open for long, so many for each user. */
export type Places = {
  /** Takes one; gives what leaves it again, once, or nothing where the user has as many as there are. */
  readonly enter: (userId: UserId) => (() => void) | undefined
}

export function createPlaces(mostOfUser: number): Places {
  const ofUser = new Map<UserId, number>()

  function enter(userId: UserId): (() => void) | undefined {
    const there = ofUser.get(userId) ?? 0
    if (there >= mostOfUser) return undefined
    ofUser.set(userId, there + 1)
    let left = false
    return () => {
      if (left) return
      left = true
      const others = (ofUser.get(userId) ?? 0) - 1
      if (others > 0) ofUser.set(userId, others)
      else ofUser.delete(userId)
    }
  }

  return { enter }
}

/**
 * Keeps a place of the caller until the answer is over, be it given or hung up on, and gives what tells of that. Throws
 * `overloaded` where the caller has as many as there are.
 */
export type HoldPlace = (request: FastifyRequest, reply: FastifyReply) => AbortSignal

/** The same, of places for so many calls of a user; `what` says of these, in the refusal, what they are at. */
export function createHolding(mostOfUser: number, what: string): HoldPlace {
  const { enter } = createPlaces(mostOfUser)
  return (request, { raw }) => {
    const leave = enter(sessionOf(request).userId)
    if (!leave) throw new ApiError('overloaded', `${mostOfUser} ${what} already`)
    const over = new AbortController()
    const end = () => {
      leave()
      over.abort()
    }
    raw.once('close', end)
    if (raw.closed) end()
    return over.signal
  }
}
