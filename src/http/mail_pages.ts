import type { Gateway } from '../gateway.ts'
import { confirmEmail } from '../identity/confirmation.ts'
import { confirmEmailChange } from '../identity/email_change.ts'
import { resetPassword } from '../identity/password_change.ts'
import { SHORTEST_PASSWORD } from '../identity/password_rules.ts'
import { ERRORS } from './errors.ts'
import { beginProblem } from './problem.ts'
import { passwordError } from './proof.ts'
import type { App } from './route.ts'

// What the links in mails open. They ask for a click, so that a mail scanner that follows links confirms nothing, and
// they work without scripts. Their forms go to where they are themselves, which may be behind a path of a proxy.

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}
const HTML = 'text/html; charset=utf-8'
const hidden = { schema: { hide: true } } as const

export function mailPages(app: App, gateway: Gateway): void {
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(String(body))))
  })
  app.setErrorHandler((error, request, reply) => {
    const { status, detail } = beginProblem(error, request, reply)
    const what = status === 429 ? 'There were too many requests' : detail
    const seconds = reply.getHeader('retry-after')
    return reply
      .headers(HEADERS)
      .type(HTML)
      .send(failed(what, seconds === undefined ? '' : ` in ${seconds} s`))
  })
  confirmPage(app, gateway)
  resetPage(app, gateway)
}

/** Of an address at sign-up, and of a change of address. */
function confirmPage(app: App, gateway: Gateway): void {
  app.get('/confirm', hidden, async (request, reply) => {
    const { token = '' } = fieldsOf(request.query)
    const form = `
      <form method="post" action="confirm">
        <input type="hidden" name="token" value="${escapeHtml(token)}">
        <button>Confirm my address</button>
      </form>`
    return reply.headers(HEADERS).type(HTML).send(page('Confirm your e-mail address', form))
  })

  app.post('/confirm', hidden, async (request, reply) => {
    const { token = '' } = fieldsOf(request.body)
    const from = { address: request.ip, requestId: request.id }
    const confirmed = (await confirmEmail(gateway, token, from))
      ? 'confirmed'
      : await confirmEmailChange(gateway, token, from)
    const text = {
      confirmed: page('Thank you', '<p>Your address is confirmed. You can close this page.</p>'),
      waits: page('Thank you', '<p>The change takes effect when the other address has confirmed it, too.</p>'),
      done: page('Thank you', '<p>Your address is changed. You can close this page.</p>'),
    }
    return reply
      .code(confirmed ? 200 : 400)
      .headers(HEADERS)
      .type(HTML)
      .send(confirmed ? text[confirmed] : dead())
  })
}

function resetPage(app: App, gateway: Gateway): void {
  app.get('/reset-password', hidden, async (request, reply) => {
    const { token = '' } = fieldsOf(request.query)
    return reply.headers(HEADERS).type(HTML).send(resetForm(token))
  })

  app.post('/reset-password', hidden, async (request, reply) => {
    const { token = '', password = '', again = '', otp = '' } = fieldsOf(request.body)
    reply.headers(HEADERS).type(HTML)
    if (password !== again) return reply.code(400).send(resetForm(token, 'The two passwords are not the same.'))
    const wish = { token, password, ...(otp === '' ? {} : { otp }) }
    const refusal = await resetPassword(gateway, wish, { address: request.ip, requestId: request.id })
    if (refusal === undefined)
      return reply.send(page('Thank you', '<p>Your password is set. You can log in with it.</p>'))
    if (refusal === 'invalid_token') return reply.code(400).send(dead())
    const why = typeof refusal === 'string' ? ERRORS[refusal][1] : passwordError('The password', refusal).message
    return reply.code(400).send(resetForm(token, `${why}.`))
  })
}

type Fields = { readonly [name in 'token' | 'password' | 'again' | 'otp']?: string }

/** What a form or a link says; nothing where it is no text. */
function fieldsOf(given: unknown): Fields {
  const texts = Object.entries(given ?? {}).filter(([, value]) => typeof value === 'string')
  return Object.fromEntries(texts)
}

function resetForm(token: string, problem = ''): string {
  const password = (name: string, label: string) => `
        <p><label>${label}<br><input type="password" name="${name}" autocomplete="new-password" minlength="${SHORTEST_PASSWORD}" required></label></p>`
  return page(
    'Set a new password',
    `
      <form method="post" action="reset-password">
        <input type="hidden" name="token" value="${escapeHtml(token)}">${problem === '' ? '' : `<p><strong>${escapeHtml(problem)}</strong></p>`}
        ${password('password', 'New password')}${password('again', 'The same again')}
        <p><label>One-time password or recovery code, if you use them<br><input name="otp" autocomplete="one-time-code"></label></p>
        <button>Set the password</button>
      </form>`,
  )
}

/** Also what a second click shows, whose answer is all that whoever is impatient sees. */
function dead(): string {
  return page(
    'This link does not work any more',
    '<p>If you have used it already, it is done, and there is nothing more to do. Otherwise it is too old: ask for another.</p>',
  )
}

/** What was refused before it was looked at, or is our fault. */
function failed(what: string, when: string): string {
  return page('That did not work', `<p>${escapeHtml(what)}. Please go back, and try again${when}.</p>`)
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}button{font:inherit;padding:.5rem 1rem}</style>
<h1>${title}</h1>
${body}
</html>
`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
