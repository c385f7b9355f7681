import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { TestContext } from 'node:test'

type Answers = {
  /** To the greeting: what the server can do. */
  readonly hello?: string
  /** To the line that names whom a mail is for. */
  readonly recipient?: (line: string) => string
  /** To a mail, once it is there. */
  readonly mail?: (mail: string) => string
}

/** The address of a mail server (RFC 5321) that takes everything, or answers as it is told to, to the end of the test. */
export async function aMailServer(t: TestContext, answers: Answers = {}): Promise<string> {
  const { hello = '250 mail.invalid', recipient = () => '250 well', mail = () => '250 taken' } = answers
  const replies: Readonly<Record<string, (line: string) => string>> = {
    EHLO: () => hello,
    AUTH: () => '235 welcome',
    RCPT: recipient,
    DATA: () => '354 go on',
  }
  const server = createServer((line) => {
    let taken: string | undefined
    line.on('error', () => undefined)
    line.write('220 mail.invalid\r\n')
    line.on('data', (data) => {
      if (taken === undefined) {
        for (const said of String(data).trim().split('\r\n')) {
          const command = said.slice(0, 4)
          if (command === 'DATA') taken = ''
          line.write(`${replies[command]?.(said) ?? '250 well'}\r\n`)
        }
        return
      }
      taken += data
      if (!taken.endsWith('\r\n.\r\n')) return
      line.write(`${mail(taken)}\r\n`)
      taken = undefined
    })
  })
  server.listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  t.after(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
