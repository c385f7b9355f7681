import { openAccounts } from '../accounts/account.ts'
import type { AccountFacts, Directory } from '../accounts/directory.ts'
import type { Book } from '../books/books.ts'
import { readCurrencies } from '../books/currencies.ts'
import { idsAt, type NewId, readClock } from '../database/clock.ts'
import { type Client, inTransaction, type Pool } from '../database/connection.ts'
import { formatInstant } from '../database/instant.ts'
import type { Instant, UserId } from '../ledger/id.ts'
import { parseAmount } from '../money/amount.ts'
import { postRequest } from '../payments/batch.ts'
import type { Intake } from '../payments/intake.ts'
import type { PricedRequest } from '../payments/payment.ts'
import { addJob } from './job_queue.ts'
import type { Passwords } from './passwords.ts'
import { findUserByEmail, insertUser } from './users.ts'

export type Welcome = {
  /** A new user gets an account in each of these that the book has open. */
  readonly currencies: readonly string[]
  /** Paid to the first account in its currency; undefined for none. */
  readonly bonus: { readonly amount: string; readonly currency: string } | undefined
}

type Dependencies = {
  readonly pool: Pool
  readonly passwords: Passwords
  readonly directory: Directory
  readonly intake: Intake
  readonly welcome: Welcome
}

export type SignUp = ReturnType<typeof createSignUp>['signUp']

export function createSignUp({ pool, passwords, directory, intake, welcome }: Dependencies) {
  /**
   * Makes an unconfirmed user with the default accounts and the welcome bonus, and asks for the confirmation mail, all in
   * one transaction. For an address that is known it does as much and undoes it, so that neither the answer nor its time
   * tells: nothing but a mail to the address does, unless it had many lately.
   */
  async function signUp(book: Book, email: string, password: string, mayMail = true): Promise<void> {
    const passwordHash = await passwords.hash(password)
    const bonusFrom = await bonusAccount(book)
    return inTransaction(pool, async (client) => {
      const at = await readClock(client)
      const newId = idsAt(at)
      const id: UserId = newId<'user'>()
      const known = await findUserByEmail(client, book.id, email)
      const user = { id, email: known ? `${id}@nobody.invalid` : email }
      await client.query('savepoint newcomer')
      const fresh = { ...user, confirmedAt: null, createdAt: formatInstant(at), passwordHash }
      const made = await insertUser(client, book.id, fresh)
      if (made) await openDefaultAccounts(client, book, user, at, newId, bonusFrom)
      const job = { book: book.id, bookName: book.name, silent: !mayMail }
      if (made && !known) {
        await client.query('release savepoint newcomer')
        await addJob(client, 'confirmation_mail', { ...job, userId: id })
        return
      }
      await client.query('rollback to savepoint newcomer')
      // Where it was not known a moment ago, somebody else was faster.
      const owner = known ?? (await findUserByEmail(client, book.id, email))
      if (owner) await addJob(client, 'known_address_mail', { ...job, userId: owner.id })
    })
  }

  async function openDefaultAccounts(
    client: Client,
    book: Book,
    user: { readonly id: UserId; readonly email: string },
    at: Instant,
    newId: NewId,
    bonusFrom: AccountFacts | undefined,
  ): Promise<void> {
    const known = await readCurrencies(client, book.id)
    const codes = welcome.currencies.filter((code) => known.get(code)?.closed === false)
    const ids = await openAccounts(
      client,
      book.id,
      at,
      newId,
      codes.map((currency) => ({ userId: user.id, currency, name: currency, metadata: {} })),
    )
    const id = ids[codes.indexOf(bonusFrom?.currency.code ?? '')]
    if (!id || !bonusFrom) return
    const { currency } = bonusFrom
    const account: AccountFacts = { id, book: book.id, userId: user.id, code: null, currency, label: user.email }
    await postRequest(client, await bonusRequest(client, bonusFrom, account))
  }

  /** Where the bonus comes from, looked up before the transaction; undefined where the book gives none. */
  async function bonusAccount(book: Book): Promise<AccountFacts | undefined> {
    if (!welcome.bonus) return undefined
    return directory.findTechnical(book.id, 'internal', welcome.bonus.currency)
  }

  async function bonusRequest(client: Client, from: AccountFacts, to: AccountFacts): Promise<PricedRequest> {
    const amount = parseAmount(welcome.bonus?.amount ?? '', to.currency)
    if (!amount) throw new Error('the welcome bonus is no amount of its currency')
    const terms = { fee: 0n, feePayer: 'receiver', description: 'Welcome bonus', metadata: {} } as const
    return intake.complete({ kind: 'bonus', from, to, amount, ...terms }, client)
  }

  return { signUp }
}
