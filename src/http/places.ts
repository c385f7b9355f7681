import type { UserId } from '../ledger/id.ts'

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
