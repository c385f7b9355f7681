/** A movement at a bank, in euros: into the account, or out of it. */
export type Movement = {
  readonly amount: string
  readonly out?: boolean
  /** The end-to-end id. */
  readonly reference?: string
  readonly text?: string
  /** The bank's own reference. */
  readonly servicer?: string
  readonly reversal?: boolean
  /** Why it came back. */
  readonly reason?: string
  /** The message id of the order that it books in one, without telling of its payments. */
  readonly order?: string
  /** The payments that it books in one, each told of; without amounts the bank does not say how it divides. */
  readonly parts?: readonly { readonly amount?: string; readonly reference: string }[]
}

type About = {
  readonly day?: string
  /** To send another one as the same. */
  readonly message?: string
  readonly iban?: string
  readonly kind?: 'camt.053' | 'camt.054'
  /** The balance before, in cents. */
  readonly opening?: number
}

export const OWN_IBAN = 'NL26VAYB8060476890'
let messages = 0

/** A statement of movements on one day, or a notice of them. */
export function aBankFile(movements: readonly Movement[], about: About = {}): string {
  const { day = today(), iban = OWN_IBAN, kind = 'camt.053', opening = 100_000 } = about
  messages += 1
  const id = about.message ?? `MSG-${messages}`
  const closing = opening + centsOf(movements)
  const account = `<Acct><Id><IBAN>${iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>`
  const balances = kind === 'camt.054' ? '' : balance('OPBD', opening, day) + balance('CLBD', closing, day)
  const entries = movements.map((movement) => entry(movement, day)).join('')
  const [message, part] = kind === 'camt.053' ? ['BkToCstmrStmt', 'Stmt'] : ['BkToCstmrDbtCdtNtfctn', 'Ntfctn']
  return (
    `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:${kind}.001.04"><${message}><GrpHdr><MsgId>${id}</MsgId></GrpHdr>` +
    `<${part}><Id>${id}</Id>${account}${balances}${entries}</${part}></${message}></Document>`
  )
}

/** One file with the statements, or notices, of several. */
export function inOneFile(first: string, ...others: readonly string[]): string {
  const part = /<(Stmt|Ntfctn)>.*<\/\1>/
  const more = others.map((file) => part.exec(file)?.[0] ?? '').join('')
  return first.replace(part, (own) => own + more)
}

/** What movements come to, in cents. */
export function centsOf(movements: readonly Movement[]): number {
  return movements.reduce((sum, { amount, out }) => sum + Math.round(Number(amount) * 100) * (out ? -1 : 1), 0)
}

function balance(type: string, units: number, day: string): string {
  const sign = units < 0 ? 'DBIT' : 'CRDT'
  return (
    `<Bal><Tp><CdOrPrtry><Cd>${type}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">${(Math.abs(units) / 100).toFixed(2)}</Amt>` +
    `<CdtDbtInd>${sign}</CdtDbtInd><Dt><Dt>${day}</Dt></Dt></Bal>`
  )
}

function entry({ amount, out = false, reversal, servicer, order, parts, ...told }: Movement, day: string): string {
  const divided = parts?.map(
    (part) =>
      `<TxDtls><Refs><EndToEndId>${part.reference}</EndToEndId></Refs>` +
      `${part.amount === undefined ? '' : `<Amt Ccy="EUR">${part.amount}</Amt>`}</TxDtls>`,
  )
  const details =
    order === undefined
      ? (divided?.join('') ?? transaction(told))
      : `<Btch><PmtInfId>${order}</PmtInfId><TtlAmt Ccy="EUR">${amount}</TtlAmt></Btch>`
  return (
    `<Ntry><Amt Ccy="EUR">${amount}</Amt><CdtDbtInd>${out ? 'DBIT' : 'CRDT'}</CdtDbtInd>` +
    `${reversal ? '<RvslInd>true</RvslInd>' : ''}<Sts>BOOK</Sts><BookgDt><Dt>${day}</Dt></BookgDt>` +
    `${servicer === undefined ? '' : `<AcctSvcrRef>${servicer}</AcctSvcrRef>`}<NtryDtls>${details}</NtryDtls></Ntry>`
  )
}

function transaction({ reference = 'NOTPROVIDED', text = '', reason }: Omit<Movement, 'amount'>): string {
  const returned = reason === undefined ? '' : `<RtrInf><Rsn><Cd>${reason}</Cd></Rsn></RtrInf>`
  return (
    `<TxDtls><Refs><EndToEndId>${reference}</EndToEndId></Refs><RltdPties><Dbtr><Nm>Bob</Nm></Dbtr><DbtrAcct><Id>` +
    `<IBAN>GB29NWBK60161331926819</IBAN></Id></DbtrAcct></RltdPties><RmtInf><Ustrd>${text}</Ustrd></RmtInf>${returned}` +
    `</TxDtls>`
  )
}

/** What a bank says of an order, of its instruction, and of payments in it. */
export type Answer = {
  readonly version?: '03' | '10'
  readonly message?: string
  readonly status?: string
  readonly reason?: string
  readonly count?: number
  readonly sum?: string
  /** How many it says that it rejects, and their sum. */
  readonly rejects?: readonly [count: number, sum: string]
  readonly instruction?: string
  readonly payments?: readonly AnsweredPayment[]
}
type AnsweredPayment = {
  readonly reference: string
  readonly status?: string
  readonly reason?: string
  readonly amount?: string
  readonly currency?: string
}

/** A pain.002 about an order. */
export function anAnswer(order: { message_id: string; version: string }, answer: Answer = {}): string {
  messages += 1
  const { version = order.version === '03' ? '03' : '10', message = `ANSWER-${messages}`, payments = [] } = answer
  const { status, reason, count, sum, rejects, instruction } = answer
  const element = (name: string, text: string | number | undefined) =>
    text === undefined ? '' : `<${name}>${text}</${name}>`
  const because = (code: string | undefined) =>
    code === undefined ? '' : `<StsRsnInf><Rsn><Cd>${code}</Cd></Rsn></StsRsnInf>`
  const [number, total] = rejects ?? []
  const counted = element('DtldNbOfTxs', number) + element('DtldSts', 'RJCT') + element('DtldCtrlSum', total)
  const group =
    element('OrgnlMsgId', order.message_id) +
    element('OrgnlMsgNmId', `pain.001.001.${order.version}`) +
    element('OrgnlNbOfTxs', count) +
    element('OrgnlCtrlSum', sum) +
    element('GrpSts', status) +
    because(reason) +
    (rejects ? element('NbOfTxsPerSts', counted) : '')
  const transactions = payments.map(
    (each) =>
      `<TxInfAndSts><OrgnlEndToEndId>${each.reference}</OrgnlEndToEndId>${element('TxSts', each.status)}${because(each.reason)}` +
      `${each.amount === undefined ? '' : `<OrgnlTxRef><Amt><InstdAmt Ccy="${each.currency ?? 'EUR'}">${each.amount}</InstdAmt></Amt></OrgnlTxRef>`}` +
      `</TxInfAndSts>`,
  )
  const told = element('OrgnlPmtInfId', order.message_id) + element('PmtInfSts', instruction) + transactions.join('')
  return (
    `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.${version}"><CstmrPmtStsRpt><GrpHdr><MsgId>${message}</MsgId>` +
    `<CreDtTm>${new Date().toISOString()}</CreDtTm></GrpHdr><OrgnlGrpInfAndSts>${group}</OrgnlGrpInfAndSts>` +
    `${instruction === undefined && payments.length === 0 ? '' : element('OrgnlPmtInfAndSts', told)}</CstmrPmtStsRpt></Document>`
  )
}

export const today = () => new Date().toISOString().slice(0, 10)

/** A payment's reference at banks. */
export function referenceOf({ id }: { readonly id: string }): string {
  return id.replace('_', '').toUpperCase()
}
