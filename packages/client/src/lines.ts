export type Patience = {
  readonly silenceMs?: number
  readonly signal?: AbortSignal | undefined
}

/**
 * The lines of a body as they come, without their ends. Throws where nothing comes for `silenceMs`, and the signal's reason
 * once it is aborted: nothing is told after that. Whoever stops early lets go of the connection.
 */
export async function* linesOf(
  body: ReadableStream<Uint8Array>,
  { silenceMs, signal }: Patience,
): AsyncGenerator<string> {
  const reader = body.getReader()
  // Of Node 20, fetch forgets its signal while a body is read, once memory was cleared up.
  const stop = () => void reader.cancel(signal?.reason).catch(() => undefined)
  signal?.addEventListener('abort', stop, { once: true })
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      signal?.throwIfAborted()
      const { done, value } = await within(reader.read(), silenceMs)
      rest += decoder.decode(value, { stream: !done })
      const lines = rest.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        signal?.throwIfAborted()
        yield line.endsWith('\r') ? line.slice(0, -1) : line
      }
      if (done) break
    }
    signal?.throwIfAborted()
    if (rest !== '') yield rest
  } finally {
    signal?.removeEventListener('abort', stop)
    // A line that broke has nothing to let go of.
    await reader.cancel().catch(() => undefined)
  }
}

async function within<T>(promise: Promise<T>, ms: number | undefined): Promise<T> {
  if (ms === undefined) return promise
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came for ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
