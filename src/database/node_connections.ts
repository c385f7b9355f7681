// How many connections a node has to its database, and for what: the gateway makes its pools by them, and the embedded
// PostgreSQL has room for all.

/** Of batches that post. */
export const BATCHES_AT_ONCE = 3

/** Those beside the ones of BGW_DATABASE_CONNECTIONS. */
export const NODE_CONNECTIONS = {
  /**
   * Batches under way, one that is only stored, one that is all or none, a worker's, and one for what is looked up for
   * payments. Schedules have one that is free, as all of them are seldom busy.
   */
  posting: BATCHES_AT_ONCE + 4,
  /** Few: what they do to one account goes on one after another anyway. */
  deciding: 3,
  /** One that looks for changes a few times a second, and one for tokens that are not known yet. */
  tokens: 2,
  /** What nobody waits for: sealing, and looking for work. */
  sealing: 1,
  /** One that follows the events, one that keeps their tables, and one for whoever goes on from an earlier one. */
  events: 3,
  /** One that listens, and one for each job under way. */
  jobs: 3,
} as const

/** For commands that join the gateway, for whoever looks into its database, and those that PostgreSQL keeps back. */
const RESERVE = 20
const FEWEST = 100

/** `max_connections` of a PostgreSQL that one node has for itself. */
export function mostConnections(databaseConnections: number): number {
  const others = Object.values(NODE_CONNECTIONS).reduce((sum, each) => sum + each, 0)
  return Math.max(databaseConnections + others + RESERVE, FEWEST)
}
