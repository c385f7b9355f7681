import { type Bank, formatHalere, type Order } from './files.ts'

/** On top of the sum of its orders, so that an account is not emptied to the last haléř: 1 000.00 CZK. */
const RESERVE = 100_000n
/** A line may have 64 KiB; an account takes some 60 bytes of it. */
const ACCOUNTS_A_USER = 1_000

type Account = { readonly currency: 'CZK'; readonly name: string; readonly opening_balance?: string }

/** A line of the import, and how the accounts in its answer are found again. */
export type Holder = {
  readonly user: { readonly email: string; readonly accounts: readonly Account[] }
  readonly keyOf: (account: string) => string
}

/** Numbers of accounts are unique in a bank, so at two banks there may be the same one. */
export const ownKey = (account: string) => `own ${account}`
export const receiverKey = (bank: string, account: string) => `${bank} ${account}`

/**
 * The clients, each with all accounts that are theirs. An account opens with exactly what its orders come to and the
 * reserve; the fee is inside an order's amount, so the sender needs nothing more for it.
 */
export function ownersOf({ owners, orders }: Bank): Holder[] {
  const sums = new Map<string, bigint>()
  for (const { account, amount } of orders) sums.set(account, (sums.get(account) ?? 0n) + amount)
  const byClient = Map.groupBy(owners, ([, client]) => client)
  return [...byClient].flatMap(([client, owned]) => {
    const accounts = owned.map(([name]): Account => {
      return { currency: 'CZK', name, opening_balance: formatHalere((sums.get(name) ?? 0n) + RESERVE) }
    })
    return holdersOf(`client-${client}`, accounts, ownKey)
  })
}

/** The banks, each with the accounts there that are paid to. */
export function receiversOf(orders: readonly Order[]): Holder[] {
  const byBank = [...Map.groupBy(orders, ({ bank }) => bank)].sort(([left], [right]) => (left < right ? -1 : 1))
  return byBank.flatMap(([bank, own]) => {
    const names = [...new Set(own.map(({ receiver }) => receiver))].sort()
    const accounts = names.map((name): Account => ({ currency: 'CZK', name }))
    return holdersOf(`bank-${bank.toLowerCase()}`, accounts, (account) => receiverKey(bank, account))
  })
}

/** One user, or several where there are more accounts than fit into a line: always the same ones. */
function holdersOf(name: string, accounts: readonly Account[], keyOf: Holder['keyOf']): Holder[] {
  const holders: Holder[] = []
  for (let start = 0; start < accounts.length; start += ACCOUNTS_A_USER) {
    const part = accounts.length > ACCOUNTS_A_USER ? `-${holders.length + 1}` : ''
    const some = accounts.slice(start, start + ACCOUNTS_A_USER)
    holders.push({ user: { email: `${name}${part}@berka.example`, accounts: some }, keyOf })
  }
  return holders
}
