import { Logger } from 'graphile-worker'

/** The job library's own chatter is not ours: faults of jobs are logged where they are run. */
export const silent = new Logger(() => () => undefined)
