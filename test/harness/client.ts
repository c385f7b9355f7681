import { call } from './call.ts'
import { noteAnswer } from './documented.ts'

/** An answer of the API; `body` is what JSON holds, or the text where it is none. */
export type Reply = { readonly status: number; readonly headers: Headers; readonly body: any }

export type Client = {
  readonly url: string
  readonly token: string | undefined
  readonly get: (path: string, headers?: Record<string, string>) => Promise<Reply>
  readonly post: (path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>
  readonly patch: (path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>
  readonly delete: (path: string, headers?: Record<string, string>) => Promise<Reply>
  /** Any request: a string or bytes as body go out as they are. */
  readonly send: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>
}

/** Speaks to a gateway over HTTP, as anybody with that token would. */
export function aClient(url: string, token?: string): Client {
  async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const raw = typeof body === 'string' || body instanceof Uint8Array
    const { text, ...answer } = await call(url + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: raw ? body : JSON.stringify(body),
    })
    const reply = { ...answer, body: parsed(text) }
    noteAnswer(url, method, path, reply)
    return reply
  }
  return {
    url,
    token,
    send,
    get: (path, headers) => send('GET', path, undefined, headers),
    post: (path, body, headers) => send('POST', path, body, headers),
    patch: (path, body, headers) => send('PATCH', path, body, headers),
    delete: (path, headers) => send('DELETE', path, undefined, headers),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
