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

function entry({ amount, out = false, reversal, reason, ...told }: Movement, day: string): string {
  const { reference = 'NOTPROVIDED', text = '', servicer } = told
  const returned = reason === undefined ? '' : `<RtrInf><Rsn><Cd>${reason}</Cd></Rsn></RtrInf>`
  return (
    `<Ntry><Amt Ccy="EUR">${amount}</Amt><CdtDbtInd>${out ? 'DBIT' : 'CRDT'}</CdtDbtInd>` +
    `${reversal ? '<RvslInd>true</RvslInd>' : ''}<Sts>BOOK</Sts><BookgDt><Dt>${day}</Dt></BookgDt>` +
    `${servicer === undefined ? '' : `<AcctSvcrRef>${servicer}</AcctSvcrRef>`}<NtryDtls><TxDtls>` +
    `<Refs><EndToEndId>${reference}</EndToEndId></Refs><RltdPties><Dbtr><Nm>Bob</Nm></Dbtr><DbtrAcct><Id>` +
    `<IBAN>GB29NWBK60161331926819</IBAN></Id></DbtrAcct></RltdPties><RmtInf><Ustrd>${text}</Ustrd></RmtInf>${returned}` +
    `</TxDtls></NtryDtls></Ntry>`
  )
}

export const today = () => new Date().toISOString().slice(0, 10)

/** A payment's reference at banks. */
export function referenceOf({ id }: { readonly id: string }): string {
  return id.replace('_', '').toUpperCase()
}
