import { Agent, request } from 'node:http'

export type Answer = { readonly status: number; readonly headers: Headers; readonly text: string }

type Asked = {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body?: string | Uint8Array | undefined
  readonly signal?: AbortSignal
}

const agent = new Agent({ keepAlive: true })

/**
 * One call over HTTP and its answer: `fetch` costs more than all that the gateway does for most calls, and tests make
 * tens of thousands. A stream of events, which has no end, is left when it begins.
 */
export function call(url: string, { body, headers: own, ...asked }: Asked): Promise<Answer> {
  // By itself a DELETE says nothing of its body.
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, headers: { ...length, ...own }, ...asked }, (message) => {
      const headers = headersOf(message.rawHeaders)
      const status = message.statusCode ?? 0
      message.on('error', reject)
      if (headers.get('content-type')?.startsWith('text/event-stream')) {
        message.destroy()
        return resolve({ status, headers, text: '' })
      }
      const chunks: Buffer[] = []
      message.on('data', (chunk: Buffer) => chunks.push(chunk))
      message.on('end', () => resolve({ status, headers, text: new TextDecoder().decode(Buffer.concat(chunks)) }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

function headersOf(raw: readonly string[]): Headers {
  const headers = new Headers()
  for (let index = 0; index < raw.length; index += 2) headers.append(raw[index] ?? '', raw[index + 1] ?? '')
  return headers
}
