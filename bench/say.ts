/** Shows how far a run has come, and since how many seconds it runs. The report alone goes to standard output. */
export function say(text: string): void {
  const seconds = Math.floor(performance.now() / 1_000)
  process.stderr.write(`bench: ${String(seconds).padStart(3)} s: ${text}\n`)
}
