// What tests run inside a page. Each is a function of its own, as the browser is sent its text.

type Place = { readonly url: string; readonly token: string }

/** Opens an EventSource by a ticket, and keeps what it hears in `window.heard`. */
export async function openStream({ url, token, after }: Place & { readonly after?: string }): Promise<void> {
  const headers = { authorization: `Bearer ${token}` }
  const answer = await fetch(`${url}/v1/events/tickets`, { method: 'POST', headers })
  const { ticket } = (await answer.json()) as { ticket: string }
  const query = new URLSearchParams({ ticket, ...(after ? { after } : {}) })
  const heard: object[] = []
  const stream = new EventSource(`${url}/v1/events/stream?${query}`)
  stream.addEventListener('open', () => heard.push({ type: 'open' }))
  stream.addEventListener('payment.declined', (event) => {
    const { type, data, lastEventId } = event as MessageEvent
    heard.push({ type, data, lastEventId })
  })
  Object.assign(globalThis, { stream, heard })
}

/** Watches something over a WebSocket and gives the id of the state that it is told. */
export async function openSocket({ url, token, id }: Place & { readonly id: string }): Promise<string> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`, ['bearer', token])
  socket.onopen = () => socket.send(JSON.stringify({ subscribe: [id] }))
  return new Promise((resolve) => {
    socket.onmessage = ({ data }) => {
      const { state } = JSON.parse(String(data))
      if (state) resolve(state.id)
    }
  })
}

/** Pays, lists, reads events and watches with the client package, which the page's own site has. */
export async function useClient({ url, token, usd }: Place & { readonly usd: string }) {
  const kit = (await import(String('/client/index.ts'))) as typeof import('../../packages/client/src/index.ts')
  const gateway = kit.createClient({ url, token })
  const connected = Promise.withResolvers<string>()
  const read = (async () => {
    for await (const event of gateway.events({ onConnected: connected.resolve })) return event.data.object.id
    return undefined
  })()
  await connected.promise
  const watched: string[] = []
  const first = Promise.withResolvers<void>()
  const watching = (async () => {
    for await (const told of gateway.watch([usd])) {
      watched.push('state' in told ? told.state.id : told.event.data.object.id)
      first.resolve()
      if (watched.length === 2) break
    }
  })()
  await first.promise
  const body = { from_account: usd, to_account: usd, amount: '1.00' }
  const payment = await gateway.createPayment({ body })
  await watching
  const listed: string[] = []
  for await (const { id } of gateway.each('listPayments', { query: { limit: 1 } })) listed.push(id)
  const refused = await gateway.createPayment({ body: { ...body, amount: '1.001' } }).then(
    () => 'paid',
    (error) => (error instanceof kit.ProblemError ? error.code : String(error)),
  )
  return { payment, listed, refused, read: await read, state: watched[0], told: watched[1] }
}

/** Reads, pays and watches, and says how each ended. */
export async function tryAll({ url, token, usd }: Place & { readonly usd: string }): Promise<string[]> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ from_account: usd, to_account: usd, amount: '1.00' })
  const outcome = (request: Promise<Response>) =>
    request.then(
      ({ status }) => String(status),
      ({ name }) => name as string,
    )
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`, ['bearer', token])
  return Promise.all([
    outcome(fetch(`${url}/v1/accounts`, { headers })),
    outcome(fetch(`${url}/v1/payments`, { method: 'POST', headers, body })),
    new Promise<string>((resolve) => {
      socket.onopen = () => resolve('open')
      socket.onclose = ({ code }) => resolve(`closed ${code}`)
    }),
  ])
}
