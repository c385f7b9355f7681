import { randomUUID } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../database/data_folder.ts'
import { StartError } from '../start_error.ts'

export type Mail = { readonly to: string; readonly subject: string; readonly text: string }
/** `stop` breaks off what is still on its way then, and fails: the mail may come all the same. */
export type SendMail = (mail: Mail, stop?: AbortSignal) => Promise<void>

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
    return async (mail, stop) => {
      try {
        await (await smtp).sendMail({ from, ...mail, ...(stop && { signal: stop }) })
      } catch (error) {
        throw failureOf(error)
      }
    }
  }
  makeMailFolder(folder)
  return async (mail) => {
    const now = new Date()
    const name = `${now.toISOString().replace(/[:.]/g, '-')}-${randomUUID().slice(0, 8)}.eml`
    const unfinished = join(folder, `.${name}`)
    try {
      await writeFile(unfinished, message(from, mail, now), { mode: 0o600 })
      await rename(unfinished, join(folder, name))
    } catch (error) {
      // Each attempt would leave one behind, where the disk is full as well.
      await rm(unfinished, { force: true })
      throw error
    }
  }
}

function makeMailFolder(folder: string): void {
  try {
    makeFolder(folder)
  } catch (cause) {
    throw new StartError(`cannot make the folder for mails ${folder}: ${(cause as Error).message}`, { cause })
  }
}

/** What a mail server says of a refusal: RFC 5321 §4.2, RFC 3463 §2. */
type Refusal = Error & { readonly code?: string; readonly response?: string; readonly responseCode?: number }

/**
 * Why a mail was not sent, for the log, and kept with the job: codes only where the server gave them, as its words say
 * again to whom the mail was.
 */
function failureOf(error: unknown): Error {
  const { code, message, response, responseCode } = error as Refusal
  if (responseCode === undefined) return new Error(message.replace(/\S+@\S+/g, '(an address)'))
  const [status = ''] = response?.match(/\b[245]\.\d{1,3}\.\d{1,3}\b/) ?? []
  return new Error(`the mail server refused (${[code, responseCode, status].join(' ').trim()})`)
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
