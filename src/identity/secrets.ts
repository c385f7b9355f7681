import { createHash, randomBytes } from 'node:crypto'

// A secret names its book, so that whoever holds only the secret is looked for in that book and in no other.

const TOKEN = /^bgw_([a-z][a-z0-9-]{0,31})_[0-9a-f]{64}$/
const MAIL_TOKEN = /^([a-z][a-z0-9-]{0,31})\.[0-9a-f]{64}$/

/** A new API token of a book: `bgw_`, the book, 256 random bits. */
export function newToken(bookName: string): string {
  return `bgw_${bookName}_${randomBytes(32).toString('hex')}`
}

/** A new single-use token for a link in a mail. */
export function newMailToken(bookName: string): string {
  return `${bookName}.${randomBytes(32).toString('hex')}`
}

/** The name of the book that an API token belongs to; undefined where it is none of ours. */
export function bookOfToken(token: string): string | undefined {
  return TOKEN.exec(token)?.[1]
}

export function bookOfMailToken(token: string): string | undefined {
  return MAIL_TOKEN.exec(token)?.[1]
}

/** What is stored of a secret: its SHA-256. 256 random bits need no slow hash. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
