import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { emailKey } from './email.ts'

// Length and a list of what everybody tries, and no rules of composition: NIST SP 800-63B-4 §3.1.1.2.

/** The least length that BGW_PASSWORD_MIN_LENGTH can say, and the one for whoever has a second factor. */
export const SHORTEST_PASSWORD = 8
export const LONGEST_PASSWORD = 1_024

export type PasswordProblem = 'too_short' | 'too_long' | 'too_common'

type Context = {
  /** In code points of Unicode form NFKC, which is the form that is hashed. */
  readonly least: number
  readonly email: string
}

/** Why a new password is refused; undefined where it is not. Nothing is cut off it, not even at its ends. */
export function passwordProblem(password: string, { least, email }: Context): PasswordProblem | undefined {
  const folded = password.normalize('NFKC')
  if ([...folded].length < least) return 'too_short'
  if (password.length > LONGEST_PASSWORD) return 'too_long'
  const guess = folded.toLowerCase()
  const repeated = smallestPeriod(guess)
  const address = emailKey(email)
  const easy = isCommon(guess) || repeated.length < SHORTEST_PASSWORD || isCommon(repeated)
  return easy || guess === address || repeated === address.split('@')[0] ? 'too_common' : undefined
}

let common: ReadonlySet<string> | undefined

/** Whether it is one of the list; all are of 8 characters or more, in lower case. */
function isCommon(password: string): boolean {
  common ??= new Set(
    readFileSync(join(import.meta.dirname, 'common_passwords.txt'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#')),
  )
  return common.has(password)
}

/** What the text repeats: `abc` of `abcabcab`. The text itself where it repeats nothing. Linear: the prefix function. */
function smallestPeriod(text: string): string {
  const border: number[] = [0]
  for (let index = 1, length = 0; index < text.length; index += 1) {
    while (length > 0 && text[index] !== text[length]) length = border[length - 1] ?? 0
    if (text[index] === text[length]) length += 1
    border.push(length)
  }
  return text.slice(0, text.length - (border.at(-1) ?? 0))
}
