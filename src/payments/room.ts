/** Room for so many payments that came in bulk: enough to choose batches from, and no more than soon have their turn. */
export type Room = {
  /** Waits, in turn, until there is room for so many, or nobody is in it; whoever enters has to leave. */
  readonly enter: (count: number) => Promise<void>
  readonly leave: (count: number) => void
}

/** @param size how many payments may be inside together; a group that is larger enters alone */
export function createRoom(size: number): Room {
  const waiting: { readonly count: number; readonly letIn: () => void }[] = []
  let inside = 0

  function letIn(): void {
    for (let [first] = waiting; first && (inside === 0 || inside + first.count <= size); [first] = waiting) {
      waiting.shift()
      inside += first.count
      first.letIn()
    }
  }

  function enter(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.push({ count, letIn: resolve })
    letIn()
    return promise
  }

  function leave(count: number): void {
    inside -= count
    letIn()
  }

  return { enter, leave }
}
