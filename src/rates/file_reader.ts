import { createAsideReader } from '../read_aside.ts'
import type { RateFile, SentFile } from './ecb.ts'

/** Reads files of rates without holding up anything else: all of the bank's days take seconds. */
export type RateFileReader = (file: SentFile) => Promise<RateFile>

/** Enough for the largest file there may be, of 5 MiB, with the most rates. */
const MEGABYTES = 1_024

export function createRateFileReader(): RateFileReader {
  return createAsideReader<SentFile, RateFile>(new URL('./file_thread.ts', import.meta.url), MEGABYTES)
}
