/** One record of RFC 4180, with its line end. Numbers and dates are ours; free text goes through csvText first. */
export function csvRecord(values: readonly (string | null)[]): string {
  return `${values.map((value) => quoted(value ?? '')).join(',')}\r\n`
}

/**
 * Free text for a cell: one that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV
 * injection).
 */
export function csvText(value: string | null): string {
  return value !== null && /^\s*[=+\-@\t\r＝＋－＠]/.test(value) ? `'${value}` : (value ?? '')
}

function quoted(value: string): string {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}
