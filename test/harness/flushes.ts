import fs, { readlinkSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import type { TestContext } from 'node:test'

/** Files that are flushed are named by /proc. */
export const noFlushes = process.platform !== 'linux' && 'files are named by /proc'

/** Calls `note` with the path of each file and folder that is flushed to the disk, right behind that, to the end of the test. */
export function onEachFlush(t: TestContext, note: (path: string) => void): void {
  const flush = fs.fsyncSync
  t.mock.method(fs, 'fsyncSync', (fd: number) => {
    flush(fd)
    note(readlinkSync(`/proc/self/fd/${fd}`))
  })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
}
