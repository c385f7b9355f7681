import { isPoolExhausted } from './faults.ts'

/** So often it is tried to have a connection, for some seconds each time: a minute in all. */
const MOST_TIMES = 12

/**
 * Reads for what has begun to be sent, once a connection of the pool is to be had: who has half of an export can do
 * nothing with it. Throws what the read throws, and that there is no connection only after a minute.
 */
export async function readPatiently<T>(read: () => Promise<T>): Promise<T> {
  for (let times = 1; ; times += 1) {
    try {
      return await read()
    } catch (error) {
      if (!isPoolExhausted(error) || times === MOST_TIMES) throw error
    }
  }
}
