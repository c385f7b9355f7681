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

export type RateFile =
  | { readonly ok: true; readonly rates: readonly ReferenceRate[] }
  /** Where and what is wrong: a sentence without its subject. */
  | { readonly ok: false; readonly problem: string }

export const FILE_FORMATS = ['csv', 'xml'] as const
export type FileFormat = (typeof FILE_FORMATS)[number]

/** What is wrong with a file; it stays in here. */
class Broken extends Error {}

/** Reads a file of reference rates. One that is broken anywhere is refused whole. */
export function parseRateFile(text: string, format: FileFormat): RateFile {
  try {
    const rates = format === 'csv' ? readCsv(text) : readXml(text)
    if (rates.length === 0) throw new Broken('holds no rate')
    const seen = new Set<string>()
    for (const { day, currency } of rates) {
      if (seen.has(`${day} ${currency}`)) throw new Broken(`has ${currency} of ${day} twice`)
      seen.add(`${day} ${currency}`)
    }
    return { ok: true, rates }
  } catch (error) {
    if (error instanceof Broken) return { ok: false, problem: error.message }
    throw error
  }
}

/** `Date,USD,JPY,…` and then a line a day; N/A where a currency had no rate; each line may end with a comma. */
function readCsv(text: string): ReferenceRate[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  const [title, ...codes] = cellsOf(lines[0] ?? '')
  if (title !== 'Date' || codes.length === 0) throw new Broken('does not begin with Date and currencies (line 1)')
  return lines.slice(1).flatMap((line, index) => {
    const where = `line ${index + 2}`
    const [day = '', ...cells] = cellsOf(line)
    if (cells.length !== codes.length)
      throw new Broken(`has ${cells.length} rates for ${codes.length} codes (${where})`)
    return codes.flatMap((code, column) => {
      const cell = cells[column] ?? ''
      return cell === 'N/A' ? [] : [referenceRate(day, code, cell, where)]
    })
  })
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
function readXml(text: string): ReferenceRate[] {
  // It needs none, and what they can do to a reader of XML is known.
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) throw new Broken('has a document type, which it must not')
  if (XMLValidator.validate(text) !== true) throw new Broken('is not well-formed XML')
  const [cube, more] = cubesOf(text)
  if (!cube || more) throw new Broken('has no Envelope with one Cube')
  return (cube.Cube ?? []).flatMap(({ time = '', Cube: rates = [] }) =>
    rates.map(({ currency = '', rate = '' }) => referenceRate(time, currency, rate, `Cube of ${time}`)),
  )
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

function referenceRate(day: string, currency: string, written: string, where: string): ReferenceRate {
  const validFrom = /^\d{4}-\d{2}-\d{2}$/.test(day) ? parseInstant(`${day}T${PUBLISHED}`) : undefined
  if (validFrom === undefined) throw new Broken(`has no day such as 2026-04-13 (${where})`)
  if (!/^[A-Z]{3}$/.test(currency) || currency === 'EUR') throw new Broken(`has a wrong currency (${where})`)
  const rate = parseRate(written)
  if (!rate) throw new Broken(`has no rate for ${currency} (${where})`)
  return { day, validFrom, currency, rate }
}

/** The rates of a day are published at about 16:00 in Frankfurt: never later than this, in summer an hour before. */
const PUBLISHED = '15:00:00Z'
