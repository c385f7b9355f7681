import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export type Mail = { readonly to: string; readonly subject: string; readonly text: string }
export type SendMail = (mail: Mail) => Promise<void>

export type MailOptions = {
  readonly smtpUrl: string | undefined
  readonly from: string
  /** Where mails are written as files when there is no SMTP server. */
  readonly folder: string
}

/** Sends mails to the SMTP server, or writes each as one `.eml` file that appears whole. */
export function createMailer({ smtpUrl, from, folder }: MailOptions): SendMail {
  if (smtpUrl) {
    // Loaded here, as a gateway that writes files starts sooner without it.
    const smtp = import('nodemailer').then(({ createTransport }) => createTransport(smtpUrl))
    return async (mail) => void (await (await smtp).sendMail({ from, ...mail }))
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return async (mail) => {
    const now = new Date()
    const name = `${now.toISOString().replace(/[:.]/g, '-')}-${randomUUID().slice(0, 8)}.eml`
    await writeFile(join(folder, `.${name}`), message(from, mail, now), { mode: 0o600 })
    await rename(join(folder, `.${name}`), join(folder, name))
  }
}

/**
 * A message by RFC 5322 and, for addresses beyond ASCII, RFC 6532. Unencoded (8bit), so that a link in the file stays in
 * one piece for a person and for grep.
 */
function message(from: string, { to, subject, text }: Mail, date: Date): string {
  const headers = {
    From: from,
    To: to,
    Subject: subject,
    Date: date.toUTCString().replace('GMT', '+0000'),
    'Message-ID': `<${randomUUID()}@billing-gateway.invalid>`,
    'MIME-Version': '1.0',
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Transfer-Encoding': '8bit',
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value.replace(/[\r\n]+/g, ' ')}`)
  return `${head.join('\n')}\n\n${text}\n`
}
