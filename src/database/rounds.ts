import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../log.ts'
import { isUnavailable } from './faults.ts'

/** Work beside the requests, done in rounds for as long as the node runs. */
export type Rounds = {
  /** Says that there may be something to do: without it, it is found by looking. */
  readonly wake: () => void
  /** Lets the round under way end, at its next step where it heeds `stopping`, and begins no other. */
  readonly stop: () => Promise<void>
}

type Options = {
  /**
   * Does what there is to do, and says how much that was: after something, the next round follows at once. A long one, whose
   * steps may be done again, ends between them by `stopping.throwIfAborted()`.
   */
  readonly round: (stopping: AbortSignal) => Promise<number>
  readonly everyMs: number
  /** Whether the first round waits for that, or to be woken, too: where a lookout finds out if there is work. */
  readonly waits?: boolean
  readonly log: Log
  /** What could not be done where a round throws. A database that is away is no fault, and is not logged. */
  readonly fault: string
}

export function createRounds({ round, everyMs, waits = false, log, fault }: Options): Rounds {
  const stopping = new AbortController()
  let woken = () => {}

  const sleep = () =>
    new Promise<void>((resolve) => {
      woken = resolve
    })

  async function rest(awake: Promise<void>): Promise<void> {
    const pause = delay(everyMs, undefined, { ref: false, signal: stopping.signal }).catch(() => undefined)
    await Promise.race([awake, pause])
  }

  async function work(): Promise<void> {
    if (waits) await rest(sleep())
    while (!stopping.signal.aborted) {
      // Before the round, so that who wakes during it is not missed.
      const awake = sleep()
      const done = await round(stopping.signal).catch((error: unknown) => {
        if (error !== stopping.signal.reason && !isUnavailable(error)) log.error({ err: error }, fault)
        return 0
      })
      if (done === 0) await rest(awake)
    }
  }
  const finished = work()

  async function stop(): Promise<void> {
    stopping.abort()
    await finished
  }
  return { wake: () => woken(), stop }
}
