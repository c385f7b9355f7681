import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { parseInstant } from '../database/instant.ts'
import { formatRate } from '../money/rate.ts'
import { type FileFormat, parseRateFile, ratesOf } from './ecb.ts'
import { createRateFileReader } from './file_reader.ts'

const SAMPLE = readFileSync(join(import.meta.dirname, '../../examples/rates/eurofxref-hist.csv'), 'utf8')

const DAILY = `<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
	<gesmes:subject>Reference rates</gesmes:subject>
	<gesmes:Sender>
		<gesmes:name>European Central Bank</gesmes:name>
	</gesmes:Sender>
	<Cube>
		<Cube time='2026-04-13'>
			<Cube currency='USD' rate='1.1684'/>
			<Cube currency='JPY' rate='186.75'/>
		</Cube>
	</Cube>
</gesmes:Envelope>
`

function read(text: string, format: FileFormat) {
  const file = parseRateFile(text, format)
  assert.ok(file.ok, file.ok ? '' : file.problem)
  return file.days.flatMap(ratesOf).map(({ day, currency, rate }) => `${day} ${currency} ${formatRate(rate)}`)
}

function refused(text: string, format: FileFormat, problem: RegExp) {
  const file = parseRateFile(text, format)
  assert.ok(!file.ok, text)
  assert.match(file.problem, problem)
}

describe('a file of reference rates', () => {
  it('is read as the bank publishes it: newest first, N/A where there is none, a comma at each end', () => {
    const rates = read(SAMPLE, 'csv')
    assert.equal(rates.length, 30 * 29)
    assert.deepEqual(rates.slice(0, 3), ['2026-04-13 USD 1.1684', '2026-04-13 JPY 186.75', '2026-04-13 CZK 24.378'])
    assert.ok(!rates.some((rate) => rate.includes('CYP')))
  })

  it('is valid from when its rates are published', () => {
    const file = parseRateFile(DAILY, 'xml')
    const [first] = file.ok ? file.days.flatMap(ratesOf) : []
    assert.equal(first?.validFrom, parseInstant('2026-04-13T15:00:00Z'))
  })

  it('may have Windows’ line ends, and no last one', () => {
    assert.deepEqual(read('Date,USD\r\n2026-04-13,1.1684', 'csv'), ['2026-04-13 USD 1.1684'])
    assert.deepEqual(read('\uFEFFDate,USD,\r\n2026-04-13,1.1684,\r\n', 'csv'), ['2026-04-13 USD 1.1684'])
  })

  it('is read as XML, of one day or of several', () => {
    assert.deepEqual(read(DAILY, 'xml'), ['2026-04-13 USD 1.1684', '2026-04-13 JPY 186.75'])
    const days = DAILY.replace(
      '</Cube>\n\t</Cube>',
      `</Cube><Cube time="2026-04-10"><Cube currency="USD" rate="1.1711"/></Cube></Cube>`,
    )
    assert.equal(read(days, 'xml').at(-1), '2026-04-10 USD 1.1711')
  })

  const header = 'Date,USD,JPY\n'
  for (const [what, text, problem] of [
    ['empty', '', /does not begin/],
    ['only a header', header, /holds no rate/],
    ['without currencies', 'Date\n2026-04-13\n', /does not begin/],
    ['something else', '{"rates": []}', /does not begin/],
    ['short of a rate', `${header}2026-04-13,1.1684,186.75\n2026-04-10,1.1711\n`, /1 rates for 2 codes \(line 3\)/],
    ['cut off', SAMPLE.slice(0, -150), /codes \(line 31\)/],
    ['cut off within its last rate', SAMPLE.trimEnd().slice(0, -3), /no comma at the end, as line 1 has \(line 31\)/],
    ['of no day', `${header}13 April 2026,1.1684,186.75\n`, /no day such as/],
    ['of a day that is none', `${header}2026-02-30,1.1684,186.75\n`, /no day such as/],
    ['with a rate of zero', `${header}2026-04-13,0,186.75\n`, /no rate for USD \(line 2\)/],
    ['with a rate below zero', `${header}2026-04-13,-1.1,186.75\n`, /no rate for USD/],
    ['with an empty rate', `${header}2026-04-13,,186.75\n`, /no rate for USD/],
    ['with a number as others write it', `${header}2026-04-13,1.1684,1.86E2\n`, /no rate for JPY/],
    ['with a code that is none', 'Date,Usd\n2026-04-13,1.1684\n', /wrong currency/],
    ['with the euro in euros', 'Date,EUR\n2026-04-13,1\n', /wrong currency/],
    ['with a currency twice', 'Date,USD,USD\n2026-04-13,1.1684,1.1684\n', /USD of 2026-04-13 twice/],
    ['with a day twice', `${header}2026-04-13,1,2\n2026-04-13,1,2\n`, /USD of 2026-04-13 twice/],
    ['with an empty line in it', `${header}2026-04-13,1,2\n\n2026-04-10,1,2\n`, /line 3/],
  ] as const) {
    it(`is refused whole where it is ${what}`, () => refused(text, 'csv', problem))
  }

  for (const [what, text, problem] of [
    ['empty', '', /well-formed|Envelope/],
    ['not well-formed', DAILY.replace('</Cube>', ''), /well-formed/],
    ['another document', '<a><b/></a>', /Envelope/],
    ['without rates', DAILY.replaceAll(/<Cube currency.*\/>/g, ''), /holds no rate/],
    ['without a day', DAILY.replace("time='2026-04-13'", ''), /no day/],
    ['without a rate', DAILY.replace("rate='1.1684'", ''), /no rate for USD/],
    ['without a currency', DAILY.replace("currency='USD'", ''), /wrong currency/],
    ['with a document type', DAILY.replace('?>', '?><!DOCTYPE x [<!ENTITY a "1.1684">]>'), /document type/],
    ['with an entity for a rate', DAILY.replace('1.1684', '&#49;'), /no rate/],
    ['with __proto__ for a name', DAILY.replace("currency='USD'", "__proto__='USD'"), /no XML that can be read/],
  ] as const) {
    it(`in XML is refused whole where it is ${what}`, () => refused(text, 'xml', problem))
  }
})

describe('reading a file of rates aside', () => {
  it('gives what reading gives, and leaves their turns to others meanwhile', async () => {
    const reading = createRateFileReader()({ text: SAMPLE, format: 'csv' })
    const first = await Promise.race([reading.then(() => 'the file'), setImmediate('others')])
    assert.deepEqual([first, await reading], ['others', parseRateFile(SAMPLE, 'csv')])
  })
})
