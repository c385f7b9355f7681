import { Resolver } from 'node:dns/promises'
import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import https from 'node:https'
import { isIP, isIPv6, type LookupFunction } from 'node:net'
import { performance } from 'node:perf_hooks'
import { type AddressRules, hostOf, isLocalhost, LOOPBACK } from './address.ts'

/** What a receiver answered, or why there is no answer. `body` is the beginning of it, as text. */
export type Answer =
  | {
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
      readonly address: string | null
      readonly milliseconds: number
    }
  | { readonly error: SendError; readonly address: string | null; readonly milliseconds: number }

/** Why a receiver was not reached or did not answer. */
export const SEND_ERRORS = [
  'url_refused',
  'address_refused',
  'name_not_found',
  'connection_failed',
  'tls_failed',
  'malformed_answer',
  'timeout',
  'stopped',
] as const
export type SendError = (typeof SEND_ERRORS)[number]

export type Send = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  stop: AbortSignal,
) => Promise<Answer>

/** The addresses of a name, none where it has none. */
export type Resolve = (name: string, stop: AbortSignal) => Promise<readonly string[]>

type Options = { readonly rules: AddressRules; readonly timeoutMs: number; readonly resolve?: Resolve }

/** How much of an answer is read, and how much of that is kept. */
const MOST_READ = 64 * 1024
const MOST_KEPT = 4 * 1024
const MOST_HEADERS = 8 * 1024
/**
 * How long one address of several may take to connect before the next is tried, which ends the attempt at it for good: a
 * first packet that is lost is sent again after a second (RFC 6298 §2).
 */
const EACH_ADDRESS_MS = 2_500
/** How long addresses of IPv6 are waited for once those of IPv4 are there: some name servers never say that there are none. */
const IPV6_MS = 1_000
/** Heads of 1xx, each of which says that an answer is still to come: more than any receiver sends. */
const MOST_INTERIM = 20

/**
 * Posts to URLs of users, who may wish us harm: to the very addresses that were checked, so that a name which changes in
 * between leads nowhere else; no redirect is followed, no proxy and no connection shared; all of it within `timeoutMs`.
 */
export function createSender({ rules, timeoutMs, resolve = resolveByDns }: Options): Send {
  async function send(
    text: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    stop: AbortSignal,
  ): Promise<Answer> {
    const began = performance.now()
    const timeout = AbortSignal.timeout(timeoutMs)
    const signal = AbortSignal.any([stop, timeout])
    const failed = (error: SendError, address: string | null = null): Answer => {
      return { error, address, milliseconds: Math.round(performance.now() - began) }
    }
    // Checked again: what is configured may have changed since the URL was given.
    if (rules.refuseUrl(text) !== undefined) return failed('url_refused')
    const url = new URL(text)
    let addresses: readonly string[] = []
    try {
      addresses = await addressesOf(hostOf(url), resolve, signal)
    } catch {
      return failed(stop.aborted ? 'stopped' : timeout.aborted ? 'timeout' : 'name_not_found')
    }
    if (addresses.length === 0) return failed(timeout.aborted ? 'timeout' : 'name_not_found')
    // One bad address is enough: a name that has some inside is none of the public internet.
    if (!addresses.every(rules.allows)) return failed('address_refused')
    try {
      const { response, address } = await exchange(url, addresses, headers, body, signal)
      // An answer whose end does not come in time is one all the same: its status is there.
      const read = await beginningOf(response)
      const milliseconds = Math.round(performance.now() - began)
      return { status: response.statusCode ?? 0, headers: shown(response), body: read, address, milliseconds }
    } catch (error) {
      if (stop.aborted) return failed('stopped', addresses[0])
      return failed(timeout.aborted ? 'timeout' : kindOf(error), addresses[0])
    }
  }
  return send
}

async function addressesOf(host: string, resolve: Resolve, signal: AbortSignal): Promise<readonly string[]> {
  if (isIP(host)) return [host]
  return isLocalhost(host) ? LOOPBACK : resolve(host, signal)
}

/**
 * Asks the name servers, and not the operating system: its resolver has four threads for the whole process, which a few
 * names with slow servers would keep from all else that needs them.
 */
const resolveByDns: Resolve = (name, signal) => resolveWith(new Resolver({ timeout: 3_000, tries: 2 }), name, signal)

export async function resolveWith(resolver: Resolver, name: string, signal: AbortSignal): Promise<string[]> {
  const cancel = () => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  let waiting: NodeJS.Timeout | undefined
  const waitForIpv6 = (addresses: string[]) => {
    waiting = setTimeout(cancel, IPV6_MS)
    return addresses
  }
  try {
    signal.throwIfAborted()
    const found = await Promise.allSettled([resolver.resolve4(name).then(waitForIpv6), resolver.resolve6(name)])
    return found.flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
  } finally {
    clearTimeout(waiting)
    signal.removeEventListener('abort', cancel)
  }
}

/** No answers to a POST, with codes like those of node's parser for others that are none. */
const SWITCHED = Object.assign(new Error('the receiver switches protocols'), { code: 'HPE_SWITCHED_PROTOCOLS' })
const ALL_INTERIM = Object.assign(new Error('the receiver does not come to its answer'), { code: 'HPE_ALL_INTERIM' })

/** One request, up to the head of its answer. */
function exchange(
  url: URL,
  addresses: readonly string[],
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
): Promise<{ readonly response: IncomingMessage; readonly address: string | null }> {
  const secure = url.protocol === 'https:'
  const options: RequestOptions = {
    method: 'POST',
    signal,
    // One connection for one request, made here: never one of somebody else's, and never through a proxy.
    agent: new (secure ? https : http).Agent({ keepAlive: false, autoSelectFamilyAttemptTimeout: EACH_ADDRESS_MS }),
    lookup: lookupOf(addresses),
    maxHeaderSize: MOST_HEADERS,
    headers: { ...headers, 'content-length': Buffer.byteLength(body), 'accept-encoding': 'identity' },
  }
  return new Promise((resolve, reject) => {
    const request = (secure ? https : http).request(url, options)
    request.on('response', (response) => {
      resolve({ response, address: response.socket.remoteAddress ?? null })
    })
    // Whoever sends nothing else, as fast as the line allows, would keep everybody waiting until the time is up.
    let interim = 0
    request.on('information', () => {
      interim += 1
      if (interim > MOST_INTERIM) request.destroy(ALL_INTERIM)
    })
    // Stays for errors behind the answer's head.
    request.on('error', reject)
    // Node hangs up by itself on whoever switches to what nobody asked for, and tells of neither answer nor error.
    request.on('upgrade', (_response, socket) => {
      socket.destroy()
      reject(SWITCHED)
    })
    request.on('close', () => reject(new Error('there was no answer')))
    request.end(body)
  })
}

/** Answers every question for a name with the addresses that were checked. */
function lookupOf(addresses: readonly string[]): LookupFunction {
  const answers = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }))
  return (_name, { all }, done) => {
    const [first] = answers
    if (!first) return done(new Error('no address'), '')
    if (all) done(null, answers)
    else done(null, first.address, first.family)
  }
}

/** Reads at most 64 KiB, then hangs up. What arrived is the answer, whether or not its end came. */
async function beginningOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer)
      size += (chunk as Buffer).length
      if (size >= MOST_READ) break
    }
  } catch {
    // Cut off, or out of time.
  }
  response.destroy()
  return storable(Buffer.concat(chunks).subarray(0, MOST_KEPT).toString('utf8'))
}

/** The answer's headers as they can be kept: PostgreSQL has no text with a zero in it. */
function shown(response: IncomingMessage): Record<string, string> {
  const entries = Object.entries(response.headers).slice(0, 50)
  return Object.fromEntries(entries.map(([name, value]) => [name, storable(String(value).slice(0, 500))]))
}

function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed()
}

function kindOf(error: unknown): SendError {
  const { code = '' } = error as NodeJS.ErrnoException
  if (code.startsWith('HPE_')) return 'malformed_answer'
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO|EPROTO/.test(code)) return 'tls_failed'
  return 'connection_failed'
}
