import { type DestinationStream, type Logger, pino } from 'pino'

export type Log = Logger

/** Structured lines of JSON on standard output. Nothing secret reaches them: headers and bodies are never logged. */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: withoutRows } }
  return destination ? pino(options, destination) : pino(options)
}

/** An error as pino writes it, without the rows and values that PostgreSQL tells in `detail` and `where`. */
function withoutRows(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { detail, where, ...told } = pino.stdSerializers.err(error)
  return told
}
