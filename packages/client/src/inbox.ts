/** What waits to be read, until it is ended, or failed. */
export function createInbox<T>() {
  const unread: T[] = []
  let failure: Error | undefined
  let over = false
  let wake = () => {}

  function put(item: T): void {
    unread.push(item)
    wake()
  }

  function end(error?: Error): void {
    failure ??= error
    over = true
    wake()
  }

  /** Ends it, and what is unread is not told. */
  function leave(): void {
    unread.length = 0
    end()
  }

  /** Everything, as it comes. Calls `onEmpty` before it waits. */
  async function* read(onEmpty: () => void): AsyncGenerator<T> {
    for (;;) {
      const item = unread.shift()
      if (item !== undefined) {
        yield item
        continue
      }
      if (failure) throw failure
      if (over) return
      onEmpty()
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }

  return { put, end, leave, read, size: () => unread.length }
}
