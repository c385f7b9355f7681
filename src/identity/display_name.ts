import { type Actor, writeAudit } from '../audit/audit.ts'
import { idsAt, readClock } from '../database/clock.ts'
import { inTransaction, type Pool } from '../database/connection.ts'
import { ERASED_NAME } from '../database/personal_fields.ts'
import { TECHNICAL_CODES } from '../ledger/account.ts'
import type { BookId, UserId } from '../ledger/id.ts'
import { announceSessionChange, type Sessions } from './sessions.ts'
import { lockUser } from './users.ts'

// What others see of a user in place of the e-mail address. It may be in any script, and must not pass for something
// else: no address, no account of the house, nobody who was erased, nothing that cannot be seen.

export const LONGEST_NAME = 70

/** Joiners are letters' own in these scripts, and invisible in all others. */
const JOINERS =
  /(?<=[\p{scx=Arab}\p{scx=Beng}\p{scx=Deva}\p{scx=Gujr}\p{scx=Guru}\p{scx=Knda}\p{scx=Mlym}\p{scx=Orya}\p{scx=Sinh}\p{scx=Taml}\p{scx=Telu}])[\u200C\u200D]/gu

/** The name as it is kept, in Unicode form NFC; otherwise why it is none. */
export function parseDisplayName(
  text: string,
): { readonly ok: true; readonly name: string } | { readonly ok: false; readonly problem: string } {
  const name = text.normalize('NFC')
  const refused = (problem: string) => ({ ok: false, problem }) as const
  if ([...name].length > LONGEST_NAME) return refused(`has more than ${LONGEST_NAME} characters`)
  if (/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u.test(name.replace(JOINERS, ''))) {
    return refused('has characters that cannot be seen')
  }
  if (/^\p{Z}|\p{Z}$|\p{Z}{2}|[^\P{Z} ]/u.test(name))
    return refused('has spaces at its ends, in a row, or of another kind')
  if (!/[\p{L}\p{N}]/u.test(name)) return refused('has neither a letter nor a digit')
  if (/^\p{M}|\p{M}{5}/u.test(name)) return refused('has marks that are piled up')
  // As they look, so that neither another form nor another case of it passes.
  const look = name.normalize('NFKC').toLowerCase()
  if (look.includes('@')) return refused('must not look like an e-mail address')
  if (TECHNICAL_CODES.some((code) => code === look.replaceAll(' ', '_')))
    return refused('is the name of an account of the house')
  if (look === ERASED_NAME) return refused('is what is shown of users who were erased')
  return { ok: true, name }
}

/** Gives the user another display name, or none. False where they are closed. */
export async function setDisplayName(
  { pool, sessions }: { readonly pool: Pool; readonly sessions: Sessions },
  book: BookId,
  userId: UserId,
  name: string | null,
  actor: Actor,
): Promise<boolean> {
  const set = await inTransaction(pool, async (client) => {
    const user = await lockUser(client, book, userId)
    if (!user) return false
    if (user.displayName === name) return true
    await client.query('update users set display_name = encrypted($1, $2, $3) where book = $1 and id = $2', [
      book,
      userId,
      name,
    ])
    const at = await readClock(client)
    const detail = { from: user.displayName, to: name }
    await writeAudit(client, book, at, idsAt(at), [{ actor, action: 'user.rename', objectId: userId, detail }])
    await announceSessionChange(client, book, userId)
    return true
  })
  sessions.forget(book, userId)
  return set
}
