import { needReference, readCount } from './camt_values.ts'
import { ANSWER_VERSIONS, type AnsweredPayment, type OrderAnswer, type Said, type SaidOfAll } from './order_answer.ts'
import { all, attribute, broken, type Element, find, findText, need, needText, textOf } from './xml.ts'

// Answers of banks to orders: pain.002.001.03, which goes with pain.001.001.03, and pain.002.001.10, which goes with .09.
// Our orders have one instruction each, so an answer has at most one.

/** The answer in a document; null where it is another message. Throws BrokenFile where it is broken. */
export function readAnswer(message: string, written: string, root: Element): OrderAnswer | null {
  const version = ANSWER_VERSIONS.find((known) => known === written)
  if (message !== 'pain.002' || !version) return null
  const body = need(root, 'CstmrPmtStsRpt')
  const group = need(body, 'OrgnlGrpInfAndSts')
  const whole = saidOfAll(group, 'GrpSts', 'NbOfTxsPerSts')
  const found = find(body, 'OrgnlPmtInfAndSts')
  const instruction = found
    ? { ...saidOfAll(found, 'PmtInfSts', 'NbOfTxsPerSts'), id: needReference(found, 'OrgnlPmtInfId') }
    : null
  const payments = found ? all(found, 'TxInfAndSts').map(readPayment) : []
  const answer: OrderAnswer = {
    ...{ kind: 'pain.002', version, messageId: needReference(body, 'GrpHdr/MsgId') },
    createdAt: needText(body, 'GrpHdr/CreDtTm'),
    orderId: needReference(group, 'OrgnlMsgId'),
    orderName: needReference(group, 'OrgnlMsgNmId'),
    ...{ whole, instruction, payments },
  }
  holdTogether(answer)
  return answer
}

function said(element: Element, statusName: string): Said {
  const status = findText(element, statusName) ?? null
  if (status !== null && !/^[A-Z]{4}$/.test(status)) broken(`has no status at ${element.path}/${statusName}`)
  const reasons = all(element, 'StsRsnInf').flatMap(
    (each) => findText(each, 'Rsn/Cd') ?? findText(each, 'Rsn/Prtry') ?? [],
  )
  return { status, reason: reasons[0]?.slice(0, 35) ?? null }
}

function saidOfAll(element: Element, statusName: string, countsName: string): SaidOfAll {
  const count = find(element, 'OrgnlNbOfTxs')
  const rejected = all(element, countsName).find((each) => needText(each, 'DtldSts') === 'RJCT')
  return {
    ...said(element, statusName),
    count: count ? readCount(count) : null,
    sum: findText(element, 'OrgnlCtrlSum') ?? null,
    rejected: rejected
      ? { count: readCount(need(rejected, 'DtldNbOfTxs')), sum: findText(rejected, 'DtldCtrlSum') ?? null }
      : null,
  }
}

function readPayment(element: Element): AnsweredPayment {
  const amount = find(element, 'OrgnlTxRef/Amt/InstdAmt')
  return {
    ...said(element, 'TxSts'),
    endToEndId: needReference(element, 'OrgnlEndToEndId'),
    amount: amount ? { text: textOf(amount), currency: attribute(amount, 'Ccy') ?? '' } : null,
  }
}

/** The rules of the message: what is rejected is rejected as a whole, and where something is, no more than a part is well. */
function holdTogether({ whole, instruction, payments }: OrderAnswer): void {
  const parts = [...(instruction ? [instruction] : []), ...payments]
  if ([whole, ...parts].every(({ status }) => status === null)) broken('says nothing of the order')
  const seen = new Set<string>()
  for (const { endToEndId } of payments) {
    if (seen.has(endToEndId)) broken(`has the payment ${endToEndId} twice`)
    seen.add(endToEndId)
  }
  holdWithin(whole, parts)
  if (instruction) holdWithin(instruction, payments)
}

function holdWithin({ status }: Said, parts: readonly Said[]): void {
  if (status === null || status === 'PART') return
  const isRejected = status === 'RJCT'
  const wrong = parts.find((part) => part.status !== null && (part.status === 'RJCT') !== isRejected)
  if (wrong) broken(`says ${status} of the whole and ${wrong.status} of a part of it`)
}
