import { Worker } from 'node:worker_threads'

/** A file that was given up; `problem` reads on from 'The file …'. */
export type Unread = { readonly ok: false; readonly problem: string }

const LONGEST_MS = 60_000

/**
 * Reads each file in a thread of its own, with bounds for its memory and its time, one after the other: a large one takes
 * seconds, in which payments go on. `thread` is a module that answers its `workerData` with one message.
 */
export function createAsideReader<File, Read>(thread: URL, megabytes: number): (file: File) => Promise<Read | Unread> {
  let before: Promise<unknown> = Promise.resolve()
  return (file) => {
    const reading = before.then(() => readAside<Read>(thread, megabytes, file))
    before = reading.catch(() => undefined)
    return reading
  }
}

function readAside<Read>(thread: URL, megabytes: number, file: unknown): Promise<Read | Unread> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(thread, { workerData: file, resourceLimits: { maxOldGenerationSizeMb: megabytes } })
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
      reject(new Error(`the thread that reads a file ended with ${code}`))
    })
  })
}
