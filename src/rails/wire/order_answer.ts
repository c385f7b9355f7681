// What a bank answers to an order of ours (ISO 20022, pain.002), whichever version it comes in.

export const ANSWER_VERSIONS = ['03', '10'] as const
export type AnswerVersion = (typeof ANSWER_VERSIONS)[number]

/** What is said of the order, of its one instruction, or of a payment in it. A status is a code of ISO 20022, such as RJCT. */
export type Said = { readonly status: string | null; readonly reason: string | null }

/** Of the order or its instruction: how much it has, where the bank repeats that. Sums as the bank writes them. */
export type SaidOfAll = Said & {
  readonly count: number | null
  readonly sum: string | null
  /** How many of them it rejects. */
  readonly rejected: { readonly count: number; readonly sum: string | null } | null
}

export type OrderAnswer = {
  readonly kind: 'pain.002'
  readonly version: AnswerVersion
  readonly messageId: string
  /** As the bank writes it. */
  readonly createdAt: string
  /** The order: its message id, and what it was. */
  readonly orderId: string
  readonly orderName: string
  readonly whole: SaidOfAll
  readonly instruction: (SaidOfAll & { readonly id: string }) | null
  readonly payments: readonly AnsweredPayment[]
}

export type AnsweredPayment = Said & {
  readonly endToEndId: string
  readonly amount: { readonly text: string; readonly currency: string } | null
}

/** A payment that the bank has not made, and why. */
export type Rejected = { readonly endToEndId: string; readonly reason: string }

/** What the bank says of all of it; null where it says nothing. */
export function overallStatus({ whole, instruction }: OrderAnswer): string | null {
  return whole.status === 'PART' ? (instruction?.status ?? whole.status) : (whole.status ?? instruction?.status ?? null)
}

/** The payments of the order that the bank rejects: all of them, or those that it names. */
export function rejectedBy({ whole, instruction, payments }: OrderAnswer, all: readonly string[]): Rejected[] {
  const said = new Map(payments.map((each) => [each.endToEndId, each]))
  const isRejected = whole.status === 'RJCT' || instruction?.status === 'RJCT'
  return all.flatMap((endToEndId) => {
    const own = said.get(endToEndId)
    if (!isRejected && own?.status !== 'RJCT') return []
    return { endToEndId, reason: own?.reason ?? instruction?.reason ?? whole.reason ?? 'NARR' }
  })
}
