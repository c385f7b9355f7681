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

/** Documents of one user that a node makes at once: statements and exports of all data, each of which is much work. */
export const MOST_DOCUMENTS = 10

/** Keeps one of these places until the answer is over. Throws `overloaded` where the caller has as many as there are. */
export function placeOfDocument({ enter }: Places, request: FastifyRequest, reply: FastifyReply): void {
  const leave = enter(sessionOf(request).userId)
  if (!leave) throw new ApiError('overloaded', `${MOST_DOCUMENTS} statements or exports are being made for you already`)
  reply.raw.once('close', leave)
  if (reply.raw.closed) leave()
}
