import { StartError } from './start_error.ts'

type Environment = Readonly<Record<string, string | undefined>>
type Program = (stopped: Promise<void>, environment: Environment, args: readonly string[]) => Promise<void>

/** One Ctrl-C at a terminal may reach a program twice: from the terminal itself, and from npm. */
const SAME_WISH_MS = 1_000

/**
 * Runs a program to its end. `stopped` comes true at SIGTERM or Ctrl-C; who asks once more, later, ends it at once. A
 * StartError is one line and exit code 1; any other error is a fault and shows its stack. With `--help` it writes `help`,
 * if there is any, in place of running.
 */
export async function run(program: Program, help?: string): Promise<void> {
  // Whoever read our messages may have ended before us: that nobody hears of something is no reason to end as well.
  process.stderr.on('error', () => undefined)
  let stop = () => {}
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  let asked: number | undefined
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      asked ??= performance.now()
      if (performance.now() - asked > SAME_WISH_MS) process.exit(1)
      stop()
    })
  }
  try {
    const args = process.argv.slice(2)
    if (help !== undefined && args.includes('--help')) return void process.stdout.write(help)
    // biome-ignore lint/style/noProcessEnv: the one place where the environment enters; config.ts checks it.
    await program(stopped, process.env, args)
  } catch (error) {
    const line = error instanceof StartError ? oneLine(error.message) : ((error as Error)?.stack ?? String(error))
    process.stderr.write(`billing-gateway: ${line}\n`)
    process.exitCode = 1
  }
}

/** Messages of other programs may have several. */
function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ')
}
