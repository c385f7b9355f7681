import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { inBankCharacters } from './charset.ts'
import { type OrderedPayment, type PainVersion, type PaymentOrder, problemOfPayment, writePain001 } from './pain.ts'
import { all, attribute, type Element, need, needText, readXml, textOf } from './xml.ts'

const EUR = { code: 'EUR', digits: 2 }
const DEBTOR = { name: 'Gateway s.r.o.', iban: 'CZ6508000000192000145399', bic: 'GIBACZPX' }
const ADA = { name: 'Ada Lovelace', iban: 'DE89370400440532013000', bic: null }
const BOB = { name: 'Bob', iban: 'GB29NWBK60161331926819', bic: 'NWBKGB2L' }

function anOrder(changes: Partial<PaymentOrder> = {}): PaymentOrder {
  return {
    version: '03',
    messageId: 'BATCH-1',
    createdAt: '2026-11-24T02:25:00.123456Z',
    debtor: DEBTOR,
    requestedDate: '2026-11-25',
    currency: EUR,
    batchBooking: false,
    payments: [
      { endToEndId: 'PAY01', amount: 1_230n, creditor: ADA, remittance: 'for the engine' },
      { endToEndId: 'PAY02', amount: 5n, creditor: BOB, remittance: '' },
    ],
    ...changes,
  }
}

// The published schemas, as far as our files use them: every element in its order, `?` for what may be missing, `*` for
// what may be there more than once, and a pattern for its text (ISO 20022, pain.001.001.03 and .09).
const TEXT = (longest: number) => new RegExp(`^[^]{1,${longest}}$`)
const DECIMAL = /^(?=(?:\D*\d){1,18}\D*$)\d+(?:\.\d{1,5})?$/
const NAME = [['Nm', TEXT(140)]] as const
const IBAN = [['Id', [['IBAN', /^[A-Z]{2}\d{2}[a-zA-Z0-9]{1,30}$/]]]] as const
type Rule = readonly (readonly [string, RegExp | Rule])[]

function rulesOf(version: PainVersion): Rule {
  const bic: Rule =
    version === '03'
      ? [['BIC?', /^[A-Z]{6}[A-Z2-9][A-NP-Z0-9]([A-Z0-9]{3})?$/]]
      : [['BICFI?', /^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$/]]
  const agent: Rule = [['FinInstnId', [...bic, ['Othr?', [['Id', TEXT(35)]]]]]]
  const day = /^\d{4}-\d{2}-\d{2}$/
  const transaction: Rule = [
    ['PmtId', [['EndToEndId', TEXT(35)]]],
    ['Amt', [['InstdAmt', DECIMAL]]],
    ['CdtrAgt?', agent],
    ['Cdtr', NAME],
    ['CdtrAcct', IBAN],
    ['RmtInf?', [['Ustrd', TEXT(140)]]],
  ]
  const sums: Rule = [
    ['NbOfTxs', /^\d{1,15}$/],
    ['CtrlSum', DECIMAL],
  ]
  const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$/
  const instruction: Rule = [
    ['PmtInfId', TEXT(35)],
    ['PmtMtd', /^(TRF|TRA|CHK)$/],
    ['BtchBookg', /^(true|false)$/],
    ...sums,
    ['PmtTpInf?', [['SvcLvl', [['Cd', TEXT(4)]]]]],
    ['ReqdExctnDt', version === '03' ? day : [['Dt', day]]],
    ['Dbtr', NAME],
    ['DbtrAcct', [...IBAN, ['Ccy', /^[A-Z]{3}$/]]],
    ['DbtrAgt', agent],
    ['ChrgBr', /^(DEBT|CRED|SHAR|SLEV)$/],
    ['CdtTrfTxInf*', transaction],
  ]
  const header: Rule = [['MsgId', TEXT(35)], ['CreDtTm', time], ...sums, ['InitgPty', NAME]]
  return [
    [
      'CstmrCdtTrfInitn',
      [
        ['GrpHdr', header],
        ['PmtInf', instruction],
      ],
    ],
  ]
}

function hold(element: Element, rules: RegExp | Rule): void {
  if (rules instanceof RegExp) {
    assert.match(textOf(element), rules, element.path)
    return
  }
  const { node } = element
  assert.ok(typeof node === 'object', element.path)
  const allowed: string[] = rules.map(([name]) => name.replace(/[?*]$/, ''))
  const given = Object.keys(node).filter((name) => name[0] !== '@')
  assert.deepEqual(
    given,
    allowed.filter((name) => given.includes(name)),
    `${element.path} has them in their order`,
  )
  for (const [name, rule] of rules) {
    const found = all(element, name.replace(/[?*]$/, ''))
    if (!name.endsWith('?')) assert.ok(found.length > 0, `${element.path}/${name}`)
    if (!name.endsWith('*')) assert.ok(found.length <= 1, `${element.path}/${name}`)
    for (const each of found) hold(each, rule)
  }
}

function written(order: PaymentOrder): Element {
  const result = writePain001(order)
  assert.ok(result.ok, result.ok ? '' : result.problem)
  const { namespace, root } = readXml(Buffer.from(result.xml))
  assert.equal(namespace, `urn:iso:std:iso:20022:tech:xsd:pain.001.001.${order.version}`)
  hold(root, rulesOf(order.version))
  return need(root, 'CstmrCdtTrfInitn')
}

function problemOf(changes: Partial<PaymentOrder>): string {
  const result = writePain001(anOrder(changes))
  assert.ok(!result.ok)
  return result.problem
}

describe('an order to a bank', () => {
  for (const version of ['03', '09'] as const) {
    it(`is valid in version ${version} and sums up what it holds`, () => {
      const body = written(anOrder({ version }))
      for (const part of ['GrpHdr', 'PmtInf']) {
        assert.equal(needText(body, `${part}/NbOfTxs`), '2')
        assert.equal(needText(body, `${part}/CtrlSum`), '12.35')
      }
      const [first, second] = all(need(body, 'PmtInf'), 'CdtTrfTxInf')
      assert.ok(first && second)
      assert.equal(attribute(need(first, 'Amt/InstdAmt'), 'Ccy'), 'EUR')
      assert.equal(needText(first, 'RmtInf/Ustrd'), 'for the engine')
      assert.equal(needText(second, `CdtrAgt/FinInstnId/${version === '03' ? 'BIC' : 'BICFI'}`), 'NWBKGB2L')
      assert.equal(needText(body, `PmtInf/ReqdExctnDt${version === '03' ? '' : '/Dt'}`), '2026-11-25')
    })
  }

  it('outside of the euro has no SEPA in it', () => {
    const body = written(anOrder({ currency: { code: 'CZK', digits: 2 } }))
    assert.equal(needText(body, 'PmtInf/ChrgBr'), 'SHAR')
    assert.equal(all(need(body, 'PmtInf'), 'PmtTpInf').length, 0)
    assert.equal(
      needText(written(anOrder({ debtor: { ...DEBTOR, bic: null } })), 'PmtInf/DbtrAgt/FinInstnId/Othr/Id'),
      'NOTPROVIDED',
    )
  })

  it('is not written where a bank would refuse it', () => {
    assert.match(problemOf({ messageId: 'x'.repeat(36) }), /message id/)
    assert.match(problemOf({ messageId: 'a//b' }), /message id/)
    assert.match(problemOf({ requestedDate: 'soon' }), /date/)
    assert.match(problemOf({ requestedDate: '2026-02-30' }), /date/)
    assert.match(problemOf({ payments: [] }), /no payment/)
    assert.match(problemOf({ debtor: { ...DEBTOR, iban: 'CZ6508000000192000145398' } }), /debtor has no valid IBAN/)
    assert.match(problemOf({ currency: { code: 'BTC', digits: 8 } }), /no bank pays/)
    const [payment] = anOrder().payments
    assert.ok(payment)
    assert.match(problemOf({ payments: [payment, payment] }), /twice/)
    assert.match(
      problemOf({
        payments: [
          { ...payment, amount: 10n ** 18n - 1n },
          { ...payment, endToEndId: 'PAY03' },
        ],
      }),
      /sum/,
    )
  })

  it('does not hold a payment that a bank would refuse', () => {
    const [payment] = anOrder().payments
    assert.ok(payment)
    const wrong = (changes: Partial<OrderedPayment>) => problemOfPayment({ ...payment, ...changes }, '03') ?? ''
    assert.equal(wrong({}), '')
    assert.match(wrong({ amount: 0n }), /amount/)
    assert.match(wrong({ amount: 10n ** 18n }), /amount/)
    assert.match(wrong({ creditor: { ...ADA, bic: 'NO' } }), /valid BIC/)
    assert.match(wrong({ creditor: { ...ADA, name: '李' } }), /no name/)
    assert.match(wrong({ endToEndId: 'pay_1' }), /end-to-end/)
  })

  it('names no bank by a BIC that the schema of its version does not take', () => {
    const [payment] = anOrder().payments
    assert.ok(payment)
    for (const bic of ['NWBKGB0L', 'NWBKGB1LXXX', 'NWBKGB2O', 'nwbkgb2l']) {
      const paid = { ...payment, creditor: { ...BOB, bic } }
      assert.match(problemOfPayment(paid, '03') ?? '', /creditor has a BIC that pain\.001\.001\.03 cannot hold/)
      assert.match(problemOf({ debtor: { ...DEBTOR, bic } }), /debtor has a BIC/)
      if (bic !== bic.toUpperCase()) assert.match(problemOfPayment(paid, '09') ?? '', /\.09 cannot hold/)
      else written(anOrder({ version: '09', debtor: { ...DEBTOR, bic }, payments: [paid] }))
    }
  })

  it('is valid whatever names and texts there are', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<PainVersion>('03', '09'),
        fc.array(
          fc.record({
            name: fc.string({ unit: 'binary' }),
            text: fc.string({ unit: 'grapheme' }),
            amount: fc.bigInt(1n, 10n ** 12n),
          }),
          { minLength: 1 },
        ),
        (version, made) => {
          const payments = made.map(({ name, text, amount }, index) => ({
            endToEndId: `PAY${index}`,
            amount,
            creditor: { ...ADA, name: `A${name}` },
            remittance: text,
          }))
          for (const payment of payments) assert.equal(problemOfPayment(payment, version), undefined)
          const body = written(anOrder({ version, payments }))
          const sum = payments.reduce((total, { amount }) => total + amount, 0n)
          assert.equal(needText(body, 'GrpHdr/CtrlSum').replace('.', '').replace(/^0+/, ''), String(sum))
        },
      ),
    )
  })
})

describe('the characters of banks', () => {
  it('spell what they do not have', () => {
    assert.equal(inBankCharacters('Žluťoučký kůň, s.r.o. & Söhne', 70), 'Zlutoucky kun, s.r.o. + Sohne')
    assert.equal(inBankCharacters('Straße “Æble” _1_ <b>', 70), "Strasse 'AEble' -1- ?b?")
    assert.equal(inBankCharacters('Щукин Γιώργος ﬁ', 70), 'SHTukin Giorgos ?')
    assert.equal(inBankCharacters('//a//b//\n\tc/', 70), 'a/b/ c')
    assert.equal(inBankCharacters('x'.repeat(200), 70).length, 70)
  })

  it('are all that is ever written', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(140), (text, longest) => {
        const spelled = inBankCharacters(text, longest)
        assert.match(spelled, /^[A-Za-z0-9/\-?:().,'+ ]*$/)
        assert.ok(spelled.length <= longest && !/^[/ ]|[/ ]$|\/\/| {2}/.test(spelled))
      }),
    )
  })
})
