import type { Log } from '../log.ts'

/**
 * Lines of the audit log that no answer waits for: of attempts that were refused, so that the time of the refusal does
 * not tell whether there is somebody to write about.
 */
export type Aside = ReturnType<typeof createAside>

export function createAside(log: Log) {
  const underWay = new Set<Promise<void>>()

  function write(line: Promise<void>): void {
    const settled = line
      .catch((error: unknown) => log.error({ err: error }, 'a line of the audit log was not written'))
      .finally(() => underWay.delete(settled))
    underWay.add(settled)
  }

  /** Waits for what is being written. */
  async function stop(): Promise<void> {
    await Promise.all(underWay)
  }

  return { write, stop }
}
