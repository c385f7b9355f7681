/** Shows how far a run has come. The report alone goes to standard output. */
export function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`)
}
