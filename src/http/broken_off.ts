import { Readable } from 'node:stream'
import type { App } from './route.ts'

/**
 * Resets the connection where an answer that is a stream breaks off and was asked for by HTTP/1.0, as proxies may ask: there
 * the end of the connection is the end of the answer (RFC 9112 §6.3), and half an export would look whole.
 */
export function resetBrokenOff(app: App): void {
  app.addHook('onSend', ({ raw }, _reply, payload, done) => {
    if (raw.httpVersion === '1.0' && payload instanceof Readable) {
      payload.once('error', () => raw.socket.resetAndDestroy())
    }
    done(null, payload)
  })
}
