import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { parseInstant } from '../database/instant.ts'
import type { Instant } from '../ledger/id.ts'
import { parseRate, type Rate } from '../money/rate.ts'

// The euro reference rates of the European Central Bank, as it publishes them
// (https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates): `eurofxref-hist.csv` of all
// days, and XML of one day, of 90 days or of all (`eurofxref-daily.xml`, `-hist-90d.xml`, `-hist.xml`).

/** What one euro was worth in another currency on a day. */
export type ReferenceRate = {
  readonly day: string
  readonly validFrom: Instant
  readonly currency: string
  readonly rate: Rate
}

/** A file as it was sent. */
export type SentFile = { readonly format: FileFormat; readonly text: string }

export const FILE_FORMATS = ['csv', 'xml'] as const
export type FileFormat = (typeof FILE_FORMATS)[number]

export type RateFile =
  /** What it has of each day, as a text that `ratesOf` reads: a thread hands over texts in a tenth of the time of objects. */
  | { readonly ok: true; readonly days: readonly string[] }
  /** Where and what is wrong: a sentence without its subject. */
  | { readonly ok: false; readonly problem: string }

/** What is wrong with a file; it stays in here. */
class Broken extends Error {}

/** Reads a file of reference rates. One that is broken anywhere is refused whole. */
export function parseRateFile(text: string, format: FileFormat): RateFile {
  try {
    const seen = new Set<string>()
    const days = (format === 'csv' ? readCsv(text) : readXml(text)).filter(({ rates }) => rates.length > 0)
    if (days.length === 0) throw new Broken('holds no rate')
    return { ok: true, days: days.map((day) => checked(day, seen)) }
  } catch (error) {
    if (error instanceof Broken) return { ok: false, problem: error.message }
    throw error
  }
}

/** The rates of a day of a file that was found good. */
export function ratesOf(text: string): ReferenceRate[] {
  const [day = '', ...rates] = text.split(' ')
  const validFrom = validFromOf(day)
  return rates.map((written) => {
    const [currency = '', number = ''] = written.split('=')
    const rate = parseRate(number)
    if (!rate || validFrom === undefined) throw new Error(`${day} ${written} was found good and is no rate`)
    return { day, validFrom, currency, rate }
  })
}

/** A day as it stands in a file, with what its currencies are worth, and the place where that is. */
type Day = {
  readonly day: string
  readonly rates: readonly { readonly currency: string; readonly written: string }[]
  readonly place: string
}

/** `Date,USD,JPY,…` and then a line a day; N/A where a currency had no rate; where line 1 ends with a comma, all do. */
function readCsv(text: string): Day[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  const [title, ...codes] = cellsOf(lines[0] ?? '')
  if (title !== 'Date' || codes.length === 0) throw new Broken('does not begin with Date and currencies (line 1)')
  return lines.slice(1).map((line, index) => {
    const place = `line ${index + 2}`
    const [day = '', ...cells] = cellsOf(line)
    if (cells.length !== codes.length)
      throw new Broken(`has ${cells.length} rates for ${codes.length} codes (${place})`)
    // What is left of a number where a file is cut off is a number, too.
    if (endsInComma(lines[0]) && !endsInComma(line))
      throw new Broken(`has no comma at the end, as line 1 has (${place})`)
    const rates = codes.map((currency, column) => ({ currency, written: cells[column] ?? '' }))
    return { day, rates: rates.filter(({ written }) => written !== 'N/A'), place }
  })
}

function endsInComma(line = ''): boolean {
  return line.trimEnd().endsWith(',')
}

function cellsOf(line: string): string[] {
  const cells = line.split(',').map((cell) => cell.trim())
  if (cells.at(-1) === '') cells.pop()
  return cells
}

type Cube = {
  readonly Cube?: readonly Cube[]
  readonly time?: string
  readonly currency?: string
  readonly rate?: string
}

/** `<Cube><Cube time="2026-04-13"><Cube currency="USD" rate="1.1684"/>…`, in an envelope of the namespace gesmes. */
function readXml(text: string): Day[] {
  // It needs none, and what they can do to a reader of XML is known.
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) throw new Broken('has a document type, which it must not')
  if (XMLValidator.validate(text) !== true) throw new Broken('is not well-formed XML')
  const [cube, more] = cubesOf(text)
  if (!cube || more) throw new Broken('has no Envelope with one Cube')
  return (cube.Cube ?? []).map(({ time: day = '', Cube: rates = [] }) => ({
    day,
    rates: rates.map(({ currency = '', rate: written = '' }) => ({ currency, written })),
    place: `Cube of ${day}`,
  }))
}

function cubesOf(text: string): readonly Cube[] {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '',
    parseAttributeValue: false,
    parseTagValue: false,
    processEntities: false,
    isArray: (name) => name === 'Cube',
  })
  try {
    return parser.parse(text)['gesmes:Envelope']?.Cube ?? []
  } catch {
    // Names such as __proto__ and more nesting than there is reason for.
    throw new Broken('is no XML that can be read')
  }
}

/** A day as the text that `ratesOf` reads. Notes what it has seen, as nothing may be there twice. */
function checked({ day, rates, place }: Day, seen: Set<string>): string {
  if (validFromOf(day) === undefined) throw new Broken(`has no day such as 2026-04-13 (${place})`)
  const texts = rates.map(({ currency, written }) => {
    if (!/^[A-Z]{3}$/.test(currency) || currency === 'EUR') throw new Broken(`has a wrong currency (${place})`)
    if (!parseRate(written)) throw new Broken(`has no rate for ${currency} (${place})`)
    const key = `${day} ${currency}`
    if (seen.has(key)) throw new Broken(`has ${currency} of ${day} twice`)
    seen.add(key)
    return `${currency}=${written}`
  })
  return [day, ...texts].join(' ')
}

function validFromOf(day: string): Instant | undefined {
  return /^\d{4}-\d{2}-\d{2}$/.test(day) ? parseInstant(`${day}T${PUBLISHED}`) : undefined
}

/** The rates of a day are published at about 16:00 in Frankfurt: never later than this, in summer an hour before. */
const PUBLISHED = '15:00:00Z'
