import type { Gateway } from '../gateway.ts'
import { confirmEmail } from '../identity/confirmation.ts'
import type { App } from './route.ts'

// What the link in a confirmation mail opens. It asks for a click, so that a mail scanner that follows links confirms
// nothing, and it works without scripts.

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}

export function confirmPage(app: App, { pool, sessions }: Gateway): void {
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(String(body))))
  })

  app.get('/confirm', { config: { access: 'public' }, schema: { hide: true } }, async (request, reply) => {
    const { token = '' } = request.query as { token?: string }
    const form = `
      <form method="post" action="/confirm">
        <input type="hidden" name="token" value="${escapeHtml(String(token))}">
        <button>Confirm my address</button>
      </form>`
    return reply.headers(HEADERS).type('text/html; charset=utf-8').send(page('Confirm your e-mail address', form))
  })

  app.post('/confirm', { config: { access: 'public' }, schema: { hide: true } }, async (request, reply) => {
    const { token = '' } = (request.body ?? {}) as { token?: string }
    const confirmed = await confirmEmail(pool, sessions, token)
    const text = confirmed
      ? page('Thank you', '<p>Your address is confirmed. You can close this page.</p>')
      : page('This link does not work any more', '<p>It was used already, or is older than a day. Ask for another.</p>')
    return reply
      .code(confirmed ? 200 : 400)
      .headers(HEADERS)
      .type('text/html; charset=utf-8')
      .send(text)
  })
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
