import type pg from 'pg'
import type { Connection } from './connection.ts'

// A database that moves from one host to another when a machine dies. The URL names them all, as libpq has it:
// https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS

/** The hosts that a URL names, each with a URL of its own: `postgres://me@one:5433,two/books` is two of them. */
export function urlsOf(connectionString: string): readonly [string, ...string[]] {
  const [, before = '', hosts = '', behind = connectionString] =
    /^([a-z]+:\/\/(?:[^/?#]*@)?)([^/?#]*)(.*)$/s.exec(connectionString) ?? []
  const [first = '', ...others] = hosts.split(',').map((host) => `${before}${host}${behind}`)
  return [first, ...others]
}

/** How many hosts of a URL were left: where all sessions of this process go, once one has found who takes writes. */
const left = new Map<string, number>()

/** The one of the hosts to which sessions go now. */
function urlInUse(connectionString: string): string {
  const urls = urlsOf(connectionString)
  return urls[(left.get(connectionString) ?? 0) % urls.length] ?? urls[0]
}

function leaveHost(connectionString: string, url: string): void {
  if (urlInUse(connectionString) === url) left.set(connectionString, (left.get(connectionString) ?? 0) + 1)
}

/** How many hosts there are to be tried. */
export function hostsOf(connection: Connection): number {
  return 'connectionString' in connection ? urlsOf(connection.connectionString).length : 1
}

/** What sends sessions to the next host, if they do not go there already: the one in use now is not there, or takes no writes. */
export function leaving(connection: Connection): () => void {
  if (!('connectionString' in connection)) return () => undefined
  const { connectionString } = connection
  const url = urlInUse(connectionString)
  return () => leaveHost(connectionString, url)
}

/** What a URL may say beside its options: where the database is, who asks, and how the line is kept secret. */
const ADDRESS_PARAMETERS = new Set([
  ...['host', 'port', 'user', 'password'],
  ...['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation'],
])

/**
 * The driver's configuration for sessions with these options. To the driver whatever a URL says goes before all else,
 * the server's role too (ledger.md law 5): so it sees an address only, and of the URL's own options, which hosted
 * databases need, those hold that ours do not set, as PostgreSQL takes the last word on each.
 */
export function reached(connection: Connection, options: string): pg.ClientConfig {
  if (!('connectionString' in connection)) return { ...connection, options }
  const [url = ''] = urlInUse(connection.connectionString).split('#', 1)
  const [address, ...queries] = url.split('?')
  const query = queries.join('?')
  const kept = query.split('&').filter((part) => ADDRESS_PARAMETERS.has([...new URLSearchParams(part).keys()][0] ?? ''))
  const theirs = new URLSearchParams(query).getAll('options').at(-1) ?? ''
  return { connectionString: `${address}?${kept.join('&')}`, options: `${theirs} ${options}` }
}
