import { domainToASCII, domainToUnicode } from 'node:url'

const SHAPE = /^[^\s@"(),:;<>[\]\\]+@[^\s@"(),:;<>[\]\\.]+(?:\.[^\s@"(),:;<>[\]\\.]+)+$/u
const LONGEST = 254 // RFC 5321 §4.5.3.1.3

/**
 * The address as it is kept and mailed to. Undefined where it is none. In the form in which it is compared, but for case:
 * otherwise mails to its owner would go to the mailbox of whoever signed up first with one that only looks like it.
 */
export function parseEmail(text: string): string | undefined {
  // Trimmed before: a sign that stands for a space and an accent is not to become the accent alone.
  const address = addressIn(text.trim().normalize('NFKC'))
  return address !== undefined && isMailedAsWritten(address) ? address : undefined
}

/**
 * The address of whoever is there already, as it may be given: also one that was taken when it needed not be an address in
 * the form in which it is compared. Undefined where it never was one.
 */
export function parseKnownEmail(text: string): string | undefined {
  return parseEmail(text) ?? addressIn(text.trim().normalize('NFC'))
}

/** The address as it is compared: two that a person would call the same are the same. */
export function emailKey(address: string): string {
  return address.normalize('NFKC').toLowerCase().normalize('NFKC')
}

/**
 * Whether a mail goes to the domain that is written, in letters or in ASCII, and not to another that it stands for (UTS
 * 46): with signs in it that nobody sees one mailbox would have any number of addresses, and its limit of mails be none.
 */
function isMailedAsWritten(address: string): boolean {
  const domain = address.slice(address.indexOf('@') + 1).toLowerCase()
  const ascii = domainToASCII(domain)
  return domain === ascii || domain === domainToUnicode(ascii)
}

function addressIn(text: string): string | undefined {
  return text.length <= LONGEST && SHAPE.test(text) && !hasControls(text) ? text : undefined
}

function hasControls(text: string): boolean {
  return /[\p{Cc}\p{Cf}]/u.test(text)
}
