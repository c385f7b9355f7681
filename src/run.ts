import { StartError } from './start_error.ts'

type Environment = Readonly<Record<string, string | undefined>>
type Program = (stopped: Promise<void>, environment: Environment, args: readonly string[]) => Promise<void>

/**
 * Runs a program to its end. `stopped` comes true at SIGTERM or Ctrl-C; a second one changes nothing, as npm may pass on
 * what the terminal has sent already. A StartError is one line and exit code 1; any other error is a fault and shows its stack.
 */
export async function run(program: Program): Promise<void> {
  let stop = () => {}
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => stop())
  }
  try {
    // biome-ignore lint/style/noProcessEnv: the one place where the environment enters; config.ts checks it.
    await program(stopped, process.env, process.argv.slice(2))
  } catch (error) {
    const line = error instanceof StartError ? error.message : ((error as Error)?.stack ?? String(error))
    process.stderr.write(`billing-gateway: ${line}\n`)
    process.exitCode = 1
  }
}
