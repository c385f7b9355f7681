import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createFileReader } from './file_reader.ts'
import { type ParsedFile, parseBankFile } from './parse_file.ts'
import { LARGEST_FILE } from './xml.ts'

const sample = (name: string) => readFileSync(new URL(`../../../test/data/camt/${name}.xml`, import.meta.url), 'utf8')
const read = (text: string) => parseBankFile(Buffer.from(text))
const MULTI = sample('camt053.v2.multi.statement')

/** The sample of a later version with its sums and currencies mended. */
const mended = (name: string) =>
  sample(name)
    .replace('<Amt Ccy="SEK">27.00</Amt>\n                <CdtDbtInd>DBIT', '<Amt Ccy="EUR">27.00</Amt><CdtDbtInd>CRDT')
    .replace('<Amt Ccy="SEK">0</Amt>', '<Amt Ccy="EUR">8.850</Amt>')
    .replace('Ccy="CHF"', 'Ccy="EUR"')
    .replace('Ccy="JPY"', 'Ccy="EUR"')
const mendedNotice = () =>
  sample('camt054.v8')
    .replaceAll('Ccy="SEK">200000<', 'Ccy="CHF">9.5<')
    .replace('<NbOfTxs>2<', '<NbOfTxs>3<')
    .replace('Ccy="CHF">6.3<', 'Ccy="CHF">9.5<')
    .replaceAll('<CdtDbtInd>CRDT<', '<CdtDbtInd>DBIT<')

function fileOf(parsed: ParsedFile) {
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.problem)
  assert.ok(parsed.file.kind !== 'pain.002')
  return parsed.file
}

function refused(text: string, problem: RegExp) {
  const parsed = read(text)
  assert.ok(!parsed.ok, 'it was read')
  assert.match(parsed.problem, problem)
}

describe('a bank statement', () => {
  it('is read with its balances, entries and transactions', () => {
    const { kind, version, messageId, statements } = fileOf(read(MULTI))
    assert.deepEqual([kind, version, messageId, statements.length], ['camt.053', '02', 'CAMT053RIB000000000001', 2])
    const [first, second] = statements
    assert.deepEqual(first?.account, { iban: 'NL26VAYB8060476890', other: null })
    assert.deepEqual(first?.opening, { amount: 1_815n, date: '2014-12-30' })
    assert.deepEqual(first?.closing, { amount: 2_700n, date: '2014-12-31' })
    assert.deepEqual(
      [second?.entries[0]?.amount, second?.entries[0]?.direction, second?.entries[0]?.bookingDate],
      [700n, 'out', '2014-12-31'],
    )
    assert.deepEqual(second?.entries[0]?.transactions[0], {
      amount: 700n,
      direction: 'out',
      endToEndId: '000000002',
      instructionId: null,
      transactionId: null,
      returnReason: null,
      mandateId: null,
      servicerReference: null,
      orders: [],
      counterparty: { name: 'Company Name 2', account: 'NL56AGDH9619008421' },
      remittance: { unstructured: ['Transaction Description 2'], structured: [] },
    })
  })

  for (const [name, version] of [
    ['camt053.v2.minimal.ultimate', '02'],
    ['camt053.v4', '04'],
    ['camt053.v8', '08'],
  ] as const) {
    it(`of version ${version} is read once the sums of the sample are mended (${name})`, () => {
      const file = fileOf(read(mended(name)))
      const [statement] = file.statements
      assert.deepEqual([file.kind, file.version, statement?.currency.code], ['camt.053', version, 'EUR'])
      const [entry] = statement?.entries ?? []
      assert.deepEqual(
        [entry?.amount, entry?.direction, entry?.status, entry?.bookingDate, entry?.valueDate],
        [885n, 'in', 'BOOK', '2014-12-31', '2015-01-02'],
      )
      assert.deepEqual(entry?.transactions[0]?.remittance.structured, ['4654654654654654'])
      assert.equal(entry?.transactions[0]?.counterparty.name, version === '02' ? 'DEBTOR NAME NM' : 'NAME NAME')
      assert.equal(entry?.transactions[0]?.amount, 885n)
    })
  }

  it('of any version between them is read too', () => {
    for (const version of ['03', '05', '06', '07']) {
      assert.equal(fileOf(read(mended('camt053.v4').replace('053.001.04', `053.001.${version}`))).version, version)
    }
    refused(MULTI.replace('053.001.02', '053.001.01'), /no camt\.053/)
    refused(MULTI.replace('053.001.02', '053.001.09'), /no camt\.053/)
    refused(MULTI.replace('camt.053.001.02', 'pain.001.001.03'), /no camt\.053/)
  })

  it('is refused whole where its currencies or sums are wrong, as in most samples', () => {
    refused(sample('camt053.v2.minimal.ultimate'), /SEK .* in an account in EUR/)
    refused(sample('camt053.v4'), /SEK .* in an account in EUR/)
    refused(sample('camt053.v8'), /SEK .* in an account in EUR/)
    refused(sample('camt053.v2.all-balance-types'), /do not come to its closing balance/)
    refused(MULTI.replace('>7.00<', '>7.01<'), /254EURNL26VAYB8060476890 whose opening/)
    refused(MULTI.replace('<Ccy>EUR</Ccy>', '<Ccy>CZK</Ccy>'), /EUR .* in an account in CZK/)
    refused(MULTI.replace('254EUR', '253EUR'), /twice/)
  })

  it('has no share of a transaction whose details are in the currency that was sent', () => {
    const sent = (code: string) => `<AmtDtls><TxAmt><Amt Ccy="${code}">9.99</Amt></TxAmt></AmtDtls>`
    const told = (code: string) => MULTI.replace('</Refs>', `</Refs>${sent(code)}`)
    const [only] = fileOf(read(told('USD'))).statements[0]?.entries ?? []
    assert.deepEqual([only?.amount, only?.transactions.map(({ amount }) => amount)], [885n, [885n]])
    refused(told('EUR'), /do not add up/)
  })

  it('does not count what is only to come', () => {
    const pending = MULTI.replace('<Sts>BOOK</Sts>', '<Sts>PDNG</Sts>')
    refused(pending, /do not come to its closing balance/)
    assert.ok(read(pending.replace('<Amt Ccy="EUR">27.00</Amt>', '<Amt Ccy="EUR">18.15</Amt>')).ok)
  })

  it('is refused where the summary of its entries does not fit them', () => {
    const summary = (text: string) => MULTI.replace('<Ntry>', `<TxsSummry>${text}</TxsSummry><Ntry>`)
    assert.ok(read(summary('<TtlNtries><NbOfNtries>1</NbOfNtries><Sum>8.85</Sum></TtlNtries>')).ok)
    refused(summary('<TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries>'), /number of entries/)
    refused(summary('<TtlNtries><Sum>8.86</Sum></TtlNtries>'), /add up/)
    refused(summary('<TtlDbtNtries><Sum>8.85</Sum></TtlDbtNtries>'), /add up/)
    const net = (indicator: string) =>
      `<TtlNtries><TtlNetNtryAmt>8.85</TtlNetNtryAmt><CdtDbtInd>${indicator}</CdtDbtInd></TtlNtries>`
    assert.ok(read(summary(net('CRDT'))).ok)
    refused(summary(net('DBIT')), /do not come to/)
  })

  it('keeps amounts exact, and refuses what is no amount', () => {
    const amount = (text: string) => MULTI.replaceAll('>18.15<', '>90071992547409.93<').replace('>8.85<', `>${text}<`)
    const exact = amount('90071992547409.93').replace('>27.00<', '>180143985094819.86<').replace('>27.00<', '>27.0<')
    assert.equal(fileOf(read(exact)).statements[0]?.entries[0]?.amount, 9_007_199_254_740_993n)
    for (const wrong of ['8.855', '-8.85', '8,85', '1e3', '', '0x10', '8.85 EUR', 'NaN']) {
      assert.ok(!read(amount(wrong)).ok, wrong)
    }
  })

  it('is refused where a day is none', () => {
    refused(MULTI.replace('2015-01-02', '2015-02-30'), /no date/)
    refused(MULTI.replace('2015-01-02', 'tomorrow'), /no date/)
    // ISO 8601 has that year, and PostgreSQL has none.
    refused(MULTI.replace('2015-01-02', '0000-01-01'), /no date/)
  })

  it('may have charges taken out of it more than once, of an entry and of its transactions', () => {
    const charge = '<Chrgs><Amt Ccy="EUR">0.10</Amt></Chrgs>'
    const transaction = (more = '') => `<TxDtls><Amt Ccy="EUR">4.50</Amt>${more}</TxDtls>`
    const details = (text: string) => MULTI.replace(/<NtryDtls>[\s\S]*?<\/NtryDtls>/, text)
    const inEntry = details(`${charge}${charge}<NtryDtls>${transaction()}${transaction()}</NtryDtls>`)
    const inTransaction = details(`<NtryDtls>${transaction(charge + charge)}${transaction()}</NtryDtls>`)
    for (const charged of [inEntry, inTransaction]) {
      const [entry] = fileOf(read(charged)).statements[0]?.entries ?? []
      assert.deepEqual(
        entry?.transactions.map(({ amount }) => amount),
        [null, null],
      )
    }
    refused(details(`<NtryDtls>${transaction()}${transaction()}</NtryDtls>`), /do not add up/)
  })

  it('is refused where an id or a reference is longer than ISO 20022 lets it be', () => {
    const withText = (name: string, text: string) =>
      MULTI.replace(new RegExp(`<${name}>[^<]*</${name}>`), `<${name}>${text}</${name}>`)
    for (const name of ['MsgId', 'EndToEndId']) {
      assert.ok(read(withText(name, 'ž'.repeat(35))).ok, name)
      refused(withText(name, 'ž'.repeat(36)), /longer than 35 characters/)
    }
    for (const long of ['NtryRef', 'AcctSvcrRef'].map((name) => `<${name}>${'x'.repeat(36)}</${name}>`))
      refused(MULTI.replace('<Ntry>', `<Ntry>${long}`), /longer than 35 characters/)
    refused(MULTI.replace('253EURNL26VAYB8060476890', 'x'.repeat(1_900)), /longer than 35 characters/)
  })

  it('is read under whatever prefix, and only in its namespace', () => {
    const prefixed = MULTI.replaceAll(/<(\/?)(?=[A-Z])/g, '<$1ns2:').replace('xmlns="', 'xmlns:ns2="')
    assert.deepEqual(fileOf(read(prefixed)), fileOf(read(MULTI)))
    refused(prefixed.replaceAll('ns2:Stmt>', 'xsi:Stmt>'), /another namespace/)
    refused(MULTI.replace('<Stmt>', '<Stmt xmlns="urn:other">'), /second namespace/)
  })
})

describe('a notice', () => {
  it('is read with all transactions of an entry, divided only where the bank says how', () => {
    const [statement] = fileOf(read(sample('camt054.v2'))).statements
    assert.deepEqual([statement?.opening, statement?.closing, statement?.currency.code], [null, null, 'SEK'])
    const [entry] = statement?.entries ?? []
    assert.deepEqual([entry?.amount, entry?.transactions.length], [20_000_000n, 3])
    assert.deepEqual(
      entry?.transactions.map(({ amount }) => amount),
      [null, null, null],
    )
    assert.deepEqual(entry?.transactions[2]?.remittance, {
      unstructured: [
        'Unstructured Remittance Information V3 block 1',
        'Unstructured Remittance Information V3 block 2',
      ],
      structured: [
        'Ref number V3 block 1',
        'Additional Remittance Information V3 block 1',
        'Ref number V3 block 2',
        'Additional Remittance Information V3 block 2',
      ],
    })
  })

  it('of version 08 is refused as the sample is, and read with its batch mended', () => {
    refused(sample('camt054.v8'), /CHF .* in an account in SEK/)
    refused(mendedNotice().replace('<NbOfTxs>3<', '<NbOfTxs>2<'), /another number of transactions/)
    refused(mendedNotice().replace('>9.5</TtlAmt>', '>9.4</TtlAmt>'), /do not add up/)
    refused(mendedNotice().replace('Ccy="CHF">9.5</Amt>', 'Ccy="CHF">9.6</Amt>'), /do not add up/)
    const [statement] = fileOf(read(mendedNotice())).statements
    assert.deepEqual(
      statement?.entries[0]?.transactions.map(({ amount, endToEndId, counterparty }) => [
        amount,
        endToEndId,
        counterparty.account,
      ]),
      [
        [310n, 'UXC06170000006PI00001EE00001', 'CH4112345003131313131'],
        [320n, 'UXC06170000006PI00001EE00002', 'CH7212345003232323232'],
        [320n, 'UXC06170000006PI00001EE00002', 'CH7212345003232323232'],
      ],
    )
  })
})

describe('a file that would do harm', () => {
  it('with entities or a document type is refused, and nothing is expanded', () => {
    const laughs = Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`).join('')
    refused(MULTI.replace('<Document', `<!DOCTYPE x [<!ENTITY l0 "ha">${laughs}]><Document`), /document type/)
    refused(MULTI.replace('<Document', '<!DOCTYPE x SYSTEM "file:///etc/passwd"><Document'), /document type/)
    refused(MULTI.replace('Transaction Description 1', '&secret;'), /entity/)
    refused(MULTI.replace('Transaction Description 1', '<![CDATA[x]]>'), /CDATA/)
    refused(MULTI.replace('<Document', '<?php x ?><Document'), /processing instruction/)
    refused(MULTI.replace('Transaction Description 1', 'a&#0;b'), /forbids/)
    refused(MULTI.replace('Transaction Description 1', 'a\0b'), /forbids/)
    assert.ok(read(MULTI.replace('Transaction Description 1', 'Marks &amp; Spencer&#x26;&#10;')).ok)
  })

  it('that is too deep, too large, too full or no text is refused soon', () => {
    refused(`<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02">${'<a>'.repeat(500_000)}`, /./)
    refused(`${'<a>'.repeat(200)}${'</a>'.repeat(200)}`, /./)
    refused(`<a>${'<b/>'.repeat(4_100_000)}</a>`, /too many elements/)
    assert.deepEqual(parseBankFile(Buffer.alloc(LARGEST_FILE + 1)), { ok: false, problem: 'is larger than 32 MiB' })
    assert.deepEqual(parseBankFile(Buffer.from(MULTI, 'utf16le')).ok, false)
    assert.deepEqual(parseBankFile(Buffer.from([0xff, 0xfe, 0x3c])), { ok: false, problem: 'is not in UTF-8' })
    refused(`<a ${'b="1" '.repeat(5_000_000)}/>`, /too long a tag/)
    refused('', /./)
    refused('{}', /./)
    refused(MULTI.replace('<MsgId>', '<MsgId>x</MsgId><MsgId>'), /more than one/)
    refused(MULTI.replace('Transaction Description 1', 'x'.repeat(3_000)), /too long/)
  })

  it('is an answer and no exception, wherever it is cut or changed', () => {
    for (const text of [MULTI, mended('camt053.v8'), mendedNotice()]) {
      fc.assert(
        fc.property(fc.nat(text.length - 20), (length) => {
          assert.equal(read(text.slice(0, length)).ok, false)
        }),
        { numRuns: 100 },
      )
      fc.assert(
        fc.property(fc.nat(text.length), fc.nat(30), fc.string({ unit: 'binary', maxLength: 20 }), (at, cut, put) => {
          read(text.slice(0, at) + put + text.slice(at + cut))
        }),
        { numRuns: 200 },
      )
    }
  })

  it('with one digit of an amount changed is never taken', () => {
    const digits = [...MULTI.matchAll(/<Amt Ccy="EUR">([\d.]+)</g)].flatMap((match) =>
      [...(match[1] ?? '')].flatMap((digit, index) => (digit === '.' ? [] : [match.index + 14 + index])),
    )
    fc.assert(
      fc.property(fc.constantFrom(...digits), fc.integer({ min: 1, max: 9 }), (at, by) => {
        const changed = String((Number(MULTI[at]) + by) % 10)
        assert.equal(read(MULTI.slice(0, at) + changed + MULTI.slice(at + 1)).ok, false)
      }),
    )
  })
})

describe('reading aside', () => {
  it('gives what reading gives, file after file, and what is refused', async () => {
    const reader = createFileReader()
    const [one, other, none] = await Promise.all(
      [MULTI, mended('camt053.v8'), 'x'].map((text) => reader(Buffer.from(text))),
    )
    assert.deepEqual([one, other, none?.ok], [read(MULTI), read(mended('camt053.v8')), false])
  })
})
