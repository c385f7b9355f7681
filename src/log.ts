import { type DestinationStream, type Logger, pino } from 'pino'

export type Log = Logger

/** Structured lines of JSON on standard output. Nothing secret reaches them: headers and bodies are never logged. */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  return destination ? pino(options, destination) : pino(options)
}
