import { createDecipheriv, hash, randomBytes } from 'node:crypto'

// What says who a user is, and what users wrote, is encrypted in the database under a key of the user's own, and read by SQL
// (migrations 0093_personal_fields.sql, 0094_texts_of_users.sql), so that lists filter and sort by it as by anything else.
// Each expression is null where the key is gone, with the data of the user, or where there is no such user.

/** Stands where a user's name or address was shown. */
export const ERASED_NAME = 'erased user'

/** What others see of the user of that alias: their display name, or else their address. */
export function shownName(user: string): string {
  return `shown_name(${user}.book, ${user}.id, ${user}.display_name, ${user}.email)`
}

/** The address of the user of that alias. */
export function shownAddress(user: string): string {
  return `case when ${user}.id is not null then coalesce(${userField(user, 'email')}, '${ERASED_NAME}') end`
}

/** A field of the user of that alias. */
export function userField(user: string, field: 'email' | 'display_name'): string {
  return `decrypted(${user}.book, ${user}.id, ${user}.${field})`
}

/** A field of a row that a user owns. */
export function ownField(row: string, field: string): string {
  return `decrypted(${row}.book, ${row}.user_id, ${row}.${field})`
}

/** A text of a row that a user owns: null where it is empty. */
export function ownText(row: string, field: string): string {
  return `shown_text(${row}.book, ${row}.user_id, ${row}.${field})`
}

/** Metadata of a user as they are stored; `json` has the type jsonb. The arguments are SQL. */
export function storedMetadata(book: string, user: string, json: string): string {
  return `stored_text(${book}, ${user}, ${textOfJson(json)})`
}

/** A JSON object as the text that is stored of it, null where it is empty. The argument is SQL of the type jsonb. */
export function textOfJson(json: string): string {
  return `nullif(${json}, '{}')::text`
}

/** And as they are read again: `{}` where there are none. */
export function ownMetadata(row: string): string {
  return `coalesce(${ownText(row, 'metadata')}, '{}')::jsonb`
}

/**
 * What is sealed of a user: a text under their key, and none where their data are erased, or being erased. Whoever erases
 * may have passed its row by, so that it would be sealed by a key that is destroyed then. The arguments are SQL.
 */
export function storedUnlessErased(book: string, user: string, text: string): string {
  return `case when ${text} is not null and not ${isErased(book, user)} then stored_text(${book}, ${user}, ${text}) end`
}

/** Whether the data of a user are erased, or being erased. The arguments are SQL. */
export function isErased(book: string, user: string): string {
  return `exists (select from users u where u.book = ${book} and u.id = ${user} and u.erased_at is not null)`
}

const KEY_BYTES = 32

/** A new user's key, and one for a user from before there were keys. */
export function newUserKey(): Buffer {
  return randomBytes(KEY_BYTES)
}

/** What tells the key, and the initialization vector behind it. */
const KEY_ID_BYTES = 4
const IV_BYTES = 16

/**
 * A stored text, as `shown_text` of the database reads it, under its owner's key. Undefined where it is none: where somebody
 * changed it in the database, or it is another key's.
 */
export function readStoredText(stored: Buffer, key: Buffer | null): string | undefined {
  const content = stored.subarray(1)
  if (stored[0] === 0) return content.toString()
  if (stored[0] !== 1 || !key) return undefined
  try {
    const fieldKey = hash('sha256', Buffer.concat([key, Buffer.from('fields')]), 'buffer')
    const begin = KEY_ID_BYTES + IV_BYTES
    const decipher = createDecipheriv('aes-256-cbc', fieldKey, content.subarray(KEY_ID_BYTES, begin))
    return decipher.update(content.subarray(begin), undefined, 'utf8') + decipher.final('utf8')
  } catch {
    return undefined
  }
}
