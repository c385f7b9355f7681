const SHAPE = /^[^\s@"(),:;<>[\]\\]+@[^\s@"(),:;<>[\]\\.]+(?:\.[^\s@"(),:;<>[\]\\.]+)+$/u
const LONGEST = 254 // RFC 5321 §4.5.3.1.3

/**
 * The address as it is kept and mailed to. Undefined where it is none. In the form in which it is compared, but for case:
 * otherwise mails to its owner would go to the mailbox of whoever signed up first with one that only looks like it.
 */
export function parseEmail(text: string): string | undefined {
  const address = text.normalize('NFKC').trim()
  return address.length <= LONGEST && SHAPE.test(address) && !hasControls(address) ? address : undefined
}

/** The address as it is compared: two that a person would call the same are the same. */
export function emailKey(address: string): string {
  return address.normalize('NFKC').toLowerCase().normalize('NFKC')
}

function hasControls(text: string): boolean {
  return /[\p{Cc}\p{Cf}]/u.test(text)
}
