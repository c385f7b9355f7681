import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import type { Connection } from './database/connection.ts'
import { urlsOf } from './database/hosts.ts'
import { withPlainTls } from './database/tls.ts'
import { LOGIN_NOTICES, type LoginNotice } from './identity/notices.ts'
import { SHORTEST_PASSWORD } from './identity/password_rules.ts'
import { OWASP_COST, type PasswordCost } from './identity/passwords.ts'
import type { Welcome } from './identity/signup.ts'
import { RAIL_CODES, type RailCode } from './ledger/account.ts'
import { parseRateLimits, type RateLimits } from './limits/settings.ts'
import { parseAmount } from './money/amount.ts'
import { type Currency, isoCurrenciesByCode, parseDigitalCurrencies } from './money/currency.ts'
import { type Percent, parsePercent } from './money/percent.ts'
import { parseSums, type Sums } from './money/sums.ts'
import type { QuoteTerms } from './payments/quotes.ts'
import { isBankName } from './rails/wire/charset.ts'
import { type OwnAccount, parseOwnAccounts } from './rails/wire/own_accounts.ts'
import type { FeeSettings } from './rules/rules.ts'
import { SECRET_SETTINGS, withSecretFiles } from './secret_files.ts'
import { StartError } from './start_error.ts'

export type Config = {
  readonly port: number
  readonly host: string
  readonly publicUrl: string | undefined
  readonly dataFolder: string
  /** Keys that seal secrets in the database; undefined: a file in the data folder, made where there is none. */
  readonly secretKeyFile: string | undefined
  /** The key that signs sealed blocks; undefined: a file in the data folder, made where there is none. */
  readonly sealKeyFile: string | undefined
  /** An existing PostgreSQL; undefined for the embedded one. */
  readonly database: Connection | undefined
  /** Where the schema is migrated, as another user; undefined: as the server's own. */
  readonly migrationDatabase: Connection | undefined
  readonly databaseConnections: number
  readonly logLevel: string
  readonly smtpUrl: string | undefined
  readonly mailFrom: string
  readonly mailFolder: string
  readonly currencies: ReadonlyMap<string, Currency>
  readonly welcome: Welcome
  readonly fees: FeeSettings
  readonly quotes: QuoteTerms
  readonly tokenDays: number
  /** Of a password without a second factor, in code points. */
  readonly passwordMinLength: number
  /** No setting: nobody makes them cheaper by accident. */
  readonly passwordCost: PasswordCost
  readonly stepUpMinutes: number
  readonly loginNotice: LoginNotice
  /** Above these, adjustments wait for a second operator; undefined: none does. */
  readonly approvalAbove: Sums | undefined
  readonly approvalHours: number
  /** Above these, whoever pays out proves anew who they are; empty: for any sum. */
  readonly withdrawalProofAbove: Sums
  readonly mostWaiting: number
  readonly eventDays: number
  /** Pages of which other origins may call the API and open a WebSocket here. */
  readonly allowedOrigins: ReadonlySet<string>
  readonly webhooks: {
    /** Whether http and private addresses are allowed too: for local development. */
    readonly allowPrivate: boolean
    readonly timeoutMs: number
    readonly retriesMs: readonly number[]
    readonly logDays: number
  }
  readonly rateLimits: RateLimits
  /** The house's own accounts at banks. */
  readonly wireAccounts: readonly OwnAccount[]
  /** Whose they are, as their banks know it. */
  readonly wireName: string
  /** Addresses and networks whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[]
  /** Who plays the rails; undefined where they are settled by hand and by bank statements. */
  readonly sandboxRail:
    | { readonly url: string; readonly secret: string; readonly codes: readonly RailCode[] }
    | undefined
  readonly railAskSeconds: number
}

type Setting = { readonly fallback: string; readonly help: string }

/** Every setting of the environment, with its default and its line of help. */
export const SETTINGS = {
  PORT: { fallback: '8080', help: 'port to listen on; 0 for any free one' },
  HOST: { fallback: '127.0.0.1', help: 'address to listen on' },
  DATABASE_URL: {
    fallback: '',
    help: 'an existing PostgreSQL, 15 to 18, on one host or several (@one,two/); unset: the embedded one',
  },
  BGW_MIGRATION_DATABASE_URL: {
    fallback: '',
    help: 'the same database as the user that may migrate it, where that of DATABASE_URL may not',
  },
  BGW_DATA_DIR: { fallback: './data', help: 'folder of the embedded PostgreSQL and the mail files' },
  BGW_SECRET_KEY_FILE: {
    fallback: '',
    help: 'keys that seal secrets in the database; unset: secret.key in the data folder',
  },
  BGW_SEAL_KEY_FILE: {
    fallback: '',
    help: 'Ed25519 key (PEM) that signs sealed blocks; unset: seal.key in the data folder',
  },
  BGW_PUBLIC_URL: { fallback: '', help: 'address of this gateway as users reach it, for links in mails' },
  BGW_DATABASE_CONNECTIONS: {
    fallback: '10',
    help: 'connections for everything but posting, decisions, tokens, events, sealing and jobs, which have 19 more',
  },
  BGW_LOG_LEVEL: { fallback: 'info', help: 'debug, info, warn, error or silent' },
  BGW_SMTP_URL: { fallback: '', help: 'mail server such as smtps://user:password@host; unset: one file a mail' },
  BGW_MAIL_FROM: { fallback: 'billing-gateway@localhost', help: 'sender of mails' },
  BGW_DEFAULT_CURRENCIES: { fallback: 'USD,EUR,CNY', help: 'a new user gets an account in each' },
  BGW_DIGITAL_CURRENCIES: { fallback: 'BTC:8,USDC:6,ETH:18', help: 'currencies beside ISO 4217, with their digits' },
  BGW_WELCOME_BONUS: { fallback: '100.00 USD', help: 'given to a new user; 0 for none' },
  BGW_TRANSFER_FEE_PERCENT: {
    fallback: '2',
    help: 'fee of a transfer where no schedule says it, 0 to 50, at most six decimals',
  },
  BGW_QUOTE_SPREAD_PERCENT: { fallback: '0.5', help: 'what the house keeps of a quoted rate, 0 to 50' },
  BGW_QUOTE_SECONDS: { fallback: '30', help: 'how long a quote holds' },
  BGW_RATE_MAX_AGE_DAYS: { fallback: '0', help: 'rates that are valid since longer are not quoted; 0: no limit' },
  BGW_TOKEN_DAYS: { fallback: '30', help: 'how long a token from a log-in is good' },
  BGW_WEBHOOK_ALLOW_PRIVATE: {
    fallback: 'false',
    help: 'true: webhooks may be http and private, for development only',
  },
  BGW_WEBHOOK_TIMEOUT: { fallback: '15', help: 'seconds that one request of a webhook may take' },
  BGW_WEBHOOK_RETRIES: {
    fallback: '5,300,1800,7200,18000,36000,86400,86400,23095',
    help: 'seconds from each failed attempt to the next; after the last the webhook is disabled',
  },
  BGW_WEBHOOK_LOG_DAYS: { fallback: '30', help: 'how long the log keeps a delivery that is over' },
  BGW_PASSWORD_MIN_LENGTH: { fallback: '15', help: 'least length of a password without a second factor, 8 to 64' },
  BGW_STEP_UP_MINUTES: { fallback: '10', help: 'how long a log-in or step-up counts as a fresh proof' },
  BGW_LOGIN_NOTICE: { fallback: 'always', help: 'log-ins told by mail: always, new_address or never' },
  BGW_APPROVAL_ABOVE: {
    fallback: '',
    help: 'sums such as 1000.00 USD,900.00 EUR above which an adjustment needs a second operator; else none',
  },
  BGW_APPROVAL_HOURS: { fallback: '72', help: 'how long such an adjustment waits' },
  BGW_WITHDRAWAL_PROOF_ABOVE: {
    fallback: '',
    help: 'sums such as 100.00 USD,90.00 EUR above which a withdrawal needs a fresh proof; else any',
  },
  BGW_EVENT_DAYS: { fallback: '30', help: 'how long events are kept' },
  BGW_ALLOWED_ORIGINS: {
    fallback: '',
    help: 'other origins whose pages may call the API and open a WebSocket, with commas',
  },
  BGW_SANDBOX_RAIL_URL: { fallback: '', help: 'address of `npm run sandbox-rail`, which then plays the rails' },
  BGW_SANDBOX_RAIL_SECRET: { fallback: 'sandbox', help: 'what its callbacks are signed with' },
  BGW_SANDBOX_RAILS: { fallback: 'wire,wallet,crypto_currency', help: 'the rails that it plays' },
  BGW_RAIL_ASK_SECONDS: { fallback: '60', help: 'how long a rail may be silent before it is asked; doubled each time' },
  BGW_MOST_WAITING: { fallback: '20000', help: 'payments that may wait to be posted before more are refused' },
  BGW_RATE_LIMITS: {
    fallback: '',
    help: 'limits other than the defaults, such as signup=100/1m,user=off; off for none',
  },
  BGW_WIRE_ACCOUNTS: {
    fallback: '',
    help: 'own accounts at banks, such as EUR:DE89…,CZK:CZ65…:GIBACZPX with a BIC; of another book shop/EUR:…',
  },
  BGW_WIRE_NAME: { fallback: 'billing-gateway', help: 'whose these accounts are, as their banks know it' },
  BGW_TRUSTED_PROXIES: {
    fallback: '',
    help: 'addresses or networks of proxies, with commas; their X-Forwarded-For counts',
  },
} as const satisfies Record<string, Setting>

type Name = keyof typeof SETTINGS
type Environment = Readonly<Record<string, string | undefined>>

/** The text of `--help`. */
export function settingsHelp(): string {
  const lines = Object.entries(SETTINGS).map(([name, { fallback, help }]) => {
    return `  ${name.padEnd(26)} ${help}${fallback === '' ? '' : ` (default ${fallback})`}`
  })
  const files = `${SECRET_SETTINGS.join(', ')}: NAME_FILE names a file that holds it instead.`
  return `Settings, by environment variables only:\n${lines.join('\n')}\n\n${files}\n`
}

/** Reads the environment. Throws StartError, naming the variable, where one is unknown or wrong. */
export function readConfig(given: Environment): Config {
  const environment = withSecretFiles(given)
  for (const name of Object.keys(environment)) {
    if (name.startsWith('BGW_') && !Object.hasOwn(SETTINGS, name)) {
      throw new StartError(`${name} is no setting; --help lists them all`)
    }
  }
  const dataFolder = resolve(text(environment, 'BGW_DATA_DIR'))
  const currencies = readCurrencies(environment)
  return {
    port: wholeNumber(environment, 'PORT', 0, 65_535),
    host: text(environment, 'HOST'),
    publicUrl: publicUrl(environment),
    dataFolder,
    secretKeyFile: text(environment, 'BGW_SECRET_KEY_FILE') || undefined,
    sealKeyFile: text(environment, 'BGW_SEAL_KEY_FILE') || undefined,
    database: databaseConnection(environment, 'DATABASE_URL'),
    migrationDatabase: migrationDatabase(environment),
    databaseConnections: wholeNumber(environment, 'BGW_DATABASE_CONNECTIONS', 3, 1_000),
    logLevel: oneOf(environment, 'BGW_LOG_LEVEL', ['debug', 'info', 'warn', 'error', 'silent']),
    smtpUrl: smtpUrl(environment),
    mailFrom: mailFrom(environment),
    mailFolder: join(dataFolder, 'mail'),
    currencies,
    welcome: welcome(environment, currencies),
    fees: { transferPercent: percent(environment, 'BGW_TRANSFER_FEE_PERCENT') },
    quotes: {
      spread: percent(environment, 'BGW_QUOTE_SPREAD_PERCENT'),
      seconds: wholeNumber(environment, 'BGW_QUOTE_SECONDS', 1, 3_600),
      maxRateAgeDays: wholeNumber(environment, 'BGW_RATE_MAX_AGE_DAYS', 0, 3_650),
    },
    tokenDays: wholeNumber(environment, 'BGW_TOKEN_DAYS', 1, 3_650),
    passwordMinLength: wholeNumber(environment, 'BGW_PASSWORD_MIN_LENGTH', SHORTEST_PASSWORD, 64),
    passwordCost: OWASP_COST,
    stepUpMinutes: wholeNumber(environment, 'BGW_STEP_UP_MINUTES', 1, 1_440),
    loginNotice: oneOf(environment, 'BGW_LOGIN_NOTICE', LOGIN_NOTICES),
    approvalAbove:
      text(environment, 'BGW_APPROVAL_ABOVE') === '' ? undefined : sums(environment, 'BGW_APPROVAL_ABOVE', currencies),
    approvalHours: wholeNumber(environment, 'BGW_APPROVAL_HOURS', 1, 8_760),
    withdrawalProofAbove: sums(environment, 'BGW_WITHDRAWAL_PROOF_ABOVE', currencies),
    eventDays: wholeNumber(environment, 'BGW_EVENT_DAYS', 1, 3_650),
    allowedOrigins: origins(environment, 'BGW_ALLOWED_ORIGINS'),
    mostWaiting: wholeNumber(environment, 'BGW_MOST_WAITING', 1_000, 1_000_000),
    webhooks: {
      allowPrivate: oneOf(environment, 'BGW_WEBHOOK_ALLOW_PRIVATE', ['true', 'false']) === 'true',
      timeoutMs: wholeNumber(environment, 'BGW_WEBHOOK_TIMEOUT', 1, 120) * 1_000,
      retriesMs: secondsList(environment, 'BGW_WEBHOOK_RETRIES'),
      logDays: wholeNumber(environment, 'BGW_WEBHOOK_LOG_DAYS', 1, 3_650),
    },
    rateLimits: rateLimits(environment),
    wireAccounts: wireAccounts(environment, currencies),
    wireName: wireName(environment),
    trustedProxies: trustedProxies(environment),
    sandboxRail: sandboxRail(environment),
    railAskSeconds: wholeNumber(environment, 'BGW_RAIL_ASK_SECONDS', 1, 86_400),
  }
}

function text(environment: Environment, name: Name): string {
  return environment[name] || SETTINGS[name].fallback
}

function wrong(name: Name, problem: string): StartError {
  return new StartError(`${name} ${problem}`)
}

function wholeNumber(environment: Environment, name: Name, least: number, most: number): number {
  const value = text(environment, name)
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= least && number <= most)) {
    throw wrong(name, `must be a whole number from ${least} to ${most}, not '${value}'`)
  }
  return number
}

/** Seconds with commas between them, in milliseconds. */
function secondsList(environment: Environment, name: Name): number[] {
  const parts = text(environment, name).split(',')
  if (parts.length > 50 || !parts.every((part) => /^\d{1,7}(\.\d{1,3})?$/.test(part))) {
    throw wrong(name, 'must be at most 50 numbers of seconds with commas between them, such as 5,300,1800')
  }
  return parts.map((part) => Math.round(Number(part) * 1_000))
}

function oneOf<const T extends string>(environment: Environment, name: Name, values: readonly T[]): T {
  const value = text(environment, name)
  const known = values.find((word) => word === value)
  if (known === undefined) throw wrong(name, `must be one of ${values.join(', ')}, not '${value}'`)
  return known
}

function url(environment: Environment, name: Name, protocols: readonly string[]): string | undefined {
  const value = text(environment, name)
  if (value === '') return undefined
  requireUrl(name, value, protocols)
  return value
}

/** The value is not repeated in the message: it may hold a password. */
function requireUrl(name: Name, value: string, protocols: readonly string[]): void {
  if (URL.canParse(value) && protocols.includes(new URL(value).protocol)) return
  throw wrong(name, `must be an address that begins with ${protocols.map((each) => `${each}//`).join(' or ')}`)
}

/** Paths are put behind it. */
function publicUrl(environment: Environment): string | undefined {
  const address = url(environment, 'BGW_PUBLIC_URL', ['http:', 'https:'])
  if (address && /[?#]/.test(address)) throw wrong('BGW_PUBLIC_URL', 'must be an address without ? and #')
  return address?.replace(/\/+$/, '')
}

function smtpUrl(environment: Environment): string | undefined {
  const address = url(environment, 'BGW_SMTP_URL', ['smtp:', 'smtps:'])
  if (address && new URL(address).hostname === '') throw wrong('BGW_SMTP_URL', 'names no host')
  return address
}

/** An address, or one with a name before it: `Bank <bank@example.com>`. A name is quoted where RFC 5322 §3.2.5 asks for it. */
function mailFrom(environment: Environment): string {
  const value = text(environment, 'BGW_MAIL_FROM')
  const { name = '', address = value } = /^(?<name>.*?)\s*<(?<address>[^<>]*)>$/.exec(value)?.groups ?? {}
  if (!/^[^\s@<>]+@[^\s@<>]+$/.test(address) || /[\r\n]/.test(value)) {
    throw wrong('BGW_MAIL_FROM', `must be a mail address, with or without a name, not '${value}'`)
  }
  const stands = /^("([^"\\]|\\.)*"|[^"(),.:;<>@[\]\\]*)$/.test(name)
  return stands ? value : `"${name.replace(/["\\]/g, '\\$&')}" <${address}>`
}

function origins(environment: Environment, name: Name): Set<string> {
  const values = text(environment, name).split(',').filter(Boolean)
  const wrongOne = values.find((value) => !URL.canParse(value) || new URL(value).origin !== value)
  if (wrongOne !== undefined) throw wrong(name, `must be origins such as https://pay.example.com, not '${wrongOne}'`)
  return new Set(values)
}

function databaseConnection(environment: Environment, name: Name): Connection | undefined {
  const address = text(environment, name)
  if (address === '') return undefined
  for (const host of urlsOf(address)) requireUrl(name, host, ['postgres:', 'postgresql:'])
  const checked = withPlainTls(address)
  if ('wrong' in checked) throw wrong(name, checked.wrong)
  return { connectionString: checked.url }
}

function migrationDatabase(environment: Environment): Connection | undefined {
  const connection = databaseConnection(environment, 'BGW_MIGRATION_DATABASE_URL')
  if (connection && !text(environment, 'DATABASE_URL')) {
    throw wrong('BGW_MIGRATION_DATABASE_URL', 'goes with DATABASE_URL; the embedded PostgreSQL needs neither')
  }
  return connection
}

function percent(environment: Environment, name: Name): Percent {
  const value = parsePercent(text(environment, name))
  // At most half, so that what is left of any amount is positive however the fee is rounded.
  if (value === undefined || value > 50_000_000n)
    throw wrong(name, 'must be a percentage from 0 to 50, such as 2 or 0.125')
  return value
}

function sandboxRail(environment: Environment): Config['sandboxRail'] {
  const address = url(environment, 'BGW_SANDBOX_RAIL_URL', ['http:', 'https:'])?.replace(/\/+$/, '')
  if (address === undefined) {
    if (environment.BGW_SANDBOX_RAILS) throw wrong('BGW_SANDBOX_RAILS', 'goes with BGW_SANDBOX_RAIL_URL')
    return undefined
  }
  const codes = text(environment, 'BGW_SANDBOX_RAILS')
    .split(',')
    .map((name) => {
      const code = RAIL_CODES.find((known) => known === name)
      if (!code) throw wrong('BGW_SANDBOX_RAILS', `names '${name}'; there are ${RAIL_CODES.join(', ')}`)
      return code
    })
  return { url: address, secret: text(environment, 'BGW_SANDBOX_RAIL_SECRET'), codes }
}

function readCurrencies(environment: Environment): Map<string, Currency> {
  const digital = parseDigitalCurrencies(text(environment, 'BGW_DIGITAL_CURRENCIES'))
  if ('wrong' in digital) throw wrong('BGW_DIGITAL_CURRENCIES', `is wrong: ${digital.wrong}`)
  const currencies = isoCurrenciesByCode()
  for (const currency of digital) currencies.set(currency.code, currency)
  return currencies
}

/** The default bonus is for those whose accounts it fits; one that was set and fits none is a mistake. */
function welcome(environment: Environment, known: ReadonlyMap<string, Currency>): Welcome {
  const currencies = defaultCurrencies(environment, known)
  const given = bonus(environment, known)
  if (given && environment.BGW_WELCOME_BONUS && !currencies.includes(given.currency)) {
    throw wrong('BGW_WELCOME_BONUS', `is in ${given.currency}, in which BGW_DEFAULT_CURRENCIES opens no account`)
  }
  return { currencies, bonus: given }
}

function defaultCurrencies(environment: Environment, known: ReadonlyMap<string, Currency>): string[] {
  const codes = text(environment, 'BGW_DEFAULT_CURRENCIES').split(',')
  const unknown = codes.find((code) => !known.has(code))
  if (unknown !== undefined) throw wrong('BGW_DEFAULT_CURRENCIES', `names '${unknown}', which is no known currency`)
  return [...new Set(codes)]
}

function bonus(environment: Environment, known: ReadonlyMap<string, Currency>): Welcome['bonus'] {
  const value = text(environment, 'BGW_WELCOME_BONUS')
  if (value === '0') return undefined
  const [amount = '', code = ''] = value.split(' ')
  const currency = known.get(code)
  if (!currency || !parseAmount(amount, currency)) {
    throw wrong('BGW_WELCOME_BONUS', `must be an amount and a currency, such as 100.00 USD, not '${value}'`)
  }
  return { amount, currency: code }
}

function sums(environment: Environment, name: Name, known: ReadonlyMap<string, Currency>): Sums {
  const value = parseSums(text(environment, name), known)
  if (!value) throw wrong(name, `must be amounts with their currencies, such as 100.00 USD,90.00 EUR`)
  return value
}

function rateLimits(environment: Environment): RateLimits {
  const limits = parseRateLimits(text(environment, 'BGW_RATE_LIMITS'))
  if ('wrong' in limits) throw wrong('BGW_RATE_LIMITS', `is wrong: ${limits.wrong}`)
  return limits
}

function wireAccounts(environment: Environment, currencies: ReadonlyMap<string, Currency>): readonly OwnAccount[] {
  const accounts = parseOwnAccounts(text(environment, 'BGW_WIRE_ACCOUNTS'), currencies)
  if ('wrong' in accounts) throw wrong('BGW_WIRE_ACCOUNTS', `is wrong: ${accounts.wrong}`)
  return accounts
}

function wireName(environment: Environment): string {
  const name = text(environment, 'BGW_WIRE_NAME')
  if (!isBankName(name)) throw wrong('BGW_WIRE_NAME', 'has nothing in it that banks can write')
  return name
}

function trustedProxies(environment: Environment): string[] {
  const proxies = text(environment, 'BGW_TRUSTED_PROXIES').split(',').filter(Boolean)
  const strange = proxies.find((proxy) => {
    const [address = '', bits, ...rest] = proxy.split('/')
    const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
    if (bits === undefined) return most < 0
    // A network of no bits is everybody, who could then say to be anybody.
    return rest.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) < 1 || Number(bits) > most
  })
  if (strange !== undefined) {
    throw wrong('BGW_TRUSTED_PROXIES', `names '${strange}', which is no address or network of proxies`)
  }
  return proxies
}
