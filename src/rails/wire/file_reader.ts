import { Worker } from 'node:worker_threads'
import type { ParsedFile } from './parse_file.ts'

/** Reads files of banks without holding up anything else. */
export type FileReader = { readonly read: (bytes: Buffer) => Promise<ParsedFile> }

/** Enough for the largest file there may be, with the most elements. */
const MEGABYTES = 2_048
const LONGEST_MS = 60_000

/**
 * Reads each file in a thread of its own, with bounds for its memory and its time, one after the other: a file of 32 MiB
 * takes seconds, in which payments go on.
 */
export function createFileReader(): FileReader {
  let before: Promise<unknown> = Promise.resolve()
  return {
    read: (bytes) => {
      const reading = before.then(() => readAside(bytes))
      before = reading.catch(() => undefined)
      return reading
    },
  }
}

function readAside(bytes: Buffer): Promise<ParsedFile> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./file_thread.ts', import.meta.url), {
      workerData: bytes,
      resourceLimits: { maxOldGenerationSizeMb: MEGABYTES },
    })
    const refuse = (problem: string) => resolve({ ok: false, problem })
    const timer = setTimeout(() => {
      refuse('takes too long to be read')
      void worker.terminate()
    }, LONGEST_MS)
    worker.once('message', resolve)
    worker.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') refuse('needs too much memory to be read')
      else reject(error)
    })
    worker.once('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`the thread that reads a bank file ended with ${code}`))
    })
  })
}
