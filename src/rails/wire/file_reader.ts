import { createAsideReader } from '../../read_aside.ts'
import type { ParsedFile } from './parse_file.ts'

/** Reads files of banks without holding up anything else. */
export type FileReader = (bytes: Buffer) => Promise<ParsedFile>

/** Enough for the largest file there may be, of 32 MiB, with the most elements. */
const MEGABYTES = 2_048

export function createFileReader(): FileReader {
  return createAsideReader<Buffer, ParsedFile>(new URL('./file_thread.ts', import.meta.url), MEGABYTES)
}
