import { type DestinationStream, type Logger, pino } from 'pino'

export type Log = Logger

/** Structured lines of JSON on standard output. Nothing secret reaches them: headers and bodies are never logged. */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: withoutRows } }
  return destination ? pino(options, destination) : pino(options)
}

/** So much waits for whoever reads standard output; what comes beyond it is not kept, as memory is for payments. */
const MOST_WAITING = 4 * 1024 * 1024
/** How long the end of the program waits for a reader who has fallen behind. */
const LAST_LINES_MS = 2_000

export type OpenLog = { readonly log: Log; readonly close: () => Promise<void> }

/**
 * The log of a program, on standard output. Who does not read it, or has no room for it, keeps nobody else waiting: lines
 * are lost then, and how many is said behind them. `close` lets the reader have what still waits, for a while; nothing is
 * logged behind it.
 */
export function openLog(level: string): OpenLog {
  let [ending, broken, lost] = [false, false, 0]
  const out = pino.destination({
    dest: process.stdout.fd ?? 1,
    sync: false,
    maxLength: MOST_WAITING,
    retryEAGAIN: () => !ending,
  })
  out.on('error', () => {
    broken = true
  })
  out.on('write', () => {
    broken = false
  })
  out.on('drop', () => {
    lost += 1
  })
  const log = createLog(level, out)
  out.on('drain', () => {
    if (lost === 0) return
    const lines = lost
    lost = 0
    log.warn({ lines }, 'log lines are lost: nobody read them in time')
  })

  // At a sudden end the library would try for ever.
  const flush = out.flushSync.bind(out)
  out.flushSync = () => {
    ending = true
    if (broken) return
    try {
      flush()
    } catch {
      // Nobody reads it.
    }
  }

  async function close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      out.once('close', resolve)
    })
    const late = setTimeout(() => {
      ending = true
      out.destroy()
    }, LAST_LINES_MS)
    out.end()
    await closed
    clearTimeout(late)
  }

  return { log, close }
}

/** An error as pino writes it, without the rows and values that PostgreSQL tells in `detail` and `where`. */
function withoutRows(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { detail, where, ...told } = pino.stdSerializers.err(error)
  return told
}
