import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'
import { addressRules } from './address.ts'
import { createSender, type Resolve, resolveWith } from './send.ts'

// What is asked of names is answered by a small name server of the test; where a connection would be made to, by an
// HTTP server on this machine, which must never be reached.

let inside: Server
let port: number
let reached = 0
before(async () => {
  inside = createServer((_request, response) => {
    reached += 1
    response.end('secret of the inside')
  })
  await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve))
  port = (inside.address() as AddressInfo).port
})
after(() => inside.close())

const never = new AbortController().signal

/**
 * A name server that answers every question for an IPv4 address with the next of these, and one for IPv6 with none, or not
 * at all.
 */
async function aNameServer(answers: readonly (readonly string[])[], ipv6: 'none' | 'silent' = 'none') {
  const socket = createSocket('udp4')
  let asked = 0
  socket.on('message', (query, { port: from, address }) => {
    const end = query.indexOf(0, 12) + 1
    const type = query.readUInt16BE(end)
    if (type !== 1 && ipv6 === 'silent') return
    const found = type === 1 ? (answers[Math.min(asked++, answers.length - 1)] ?? []) : []
    const header = Buffer.from(query.subarray(0, 12))
    header.writeUInt16BE(0x8180, 2)
    header.writeUInt16BE(found.length, 6)
    header.fill(0, 8, 12)
    const records = found.map((ip) =>
      // A pointer to the name, type A, class IN, time to live 0, four bytes.
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...ip.split('.').map(Number)]),
    )
    socket.send(Buffer.concat([header, query.subarray(12, end + 4), ...records]), from, address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  after(() => socket.close())
  const resolver = () => {
    const made = new Resolver(ipv6 === 'silent' ? { timeout: 3_000, tries: 10 } : { timeout: 500, tries: 1 })
    made.setServers([`127.0.0.1:${socket.address().port}`])
    return made
  }
  const resolve: Resolve = (name, signal) => resolveWith(resolver(), name, signal)
  return { resolve, asked: () => asked }
}

const strict = (resolve: Resolve, timeoutMs = 1_000) => createSender({ rules: addressRules(false), timeoutMs, resolve })
const open = (resolve: Resolve, timeoutMs = 1_000) => createSender({ rules: addressRules(true), timeoutMs, resolve })
const outcome = (answer: any) => answer.error ?? answer.status

/**
 * A receiver whose line is full: the first packet to it is lost, and the system sends it again after a second. From `free` on
 * it answers 200.
 */
async function aFullReceiver() {
  const held = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
     const server = require('node:http').createServer((_request, response) => response.end())
     server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port)
       Atomics.wait(workerData, 0, 0)
     })`,
    { eval: true, workerData: held },
  )
  const [port] = await once(worker, 'message')
  const waiting = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  await Promise.all(waiting.map((line) => once(line, 'connect')))
  after(async () => {
    for (const line of waiting) line.destroy()
    await worker.terminate()
  })
  const free = () => {
    Atomics.store(held, 0, 1)
    Atomics.notify(held, 0)
  }
  return { port, free }
}

/** What parts an answer's head from the next, and heads that say an answer is still to come. */
const NEXT = '\r\n\r\nHTTP/1.1 '
const atWork = (times: number) => Array.from({ length: times }, () => '102 Processing')

describe('a name', () => {
  for (const inner of [
    ...['127.0.0.1', '127.8.9.1', '10.0.0.1', '172.20.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0'],
    ...['224.0.0.1', '192.0.2.1', '255.255.255.255'],
  ]) {
    it(`that stands for ${inner} leads nowhere`, async () => {
      const { resolve } = await aNameServer([[inner]])
      const answer = await strict(resolve)(`https://hook.example:${port}/`, {}, '{}', never)
      assert.equal(outcome(answer), 'address_refused')
    })
  }

  it('that stands for a public and a private address leads nowhere', async () => {
    const { resolve } = await aNameServer([['1.1.1.1', '127.0.0.1']])
    assert.equal(outcome(await strict(resolve)('https://hook.example/', {}, '{}', never)), 'address_refused')
  })

  it('that changes to a private address once it is checked leads to the one that was checked', async () => {
    // 127.0.0.1 stands for the good address and 127.0.0.2 for the bad one, as nothing of the test leaves the machine.
    const good = createServer((_request, response) => response.end('good'))
    await new Promise<void>((resolve) => good.listen(0, '127.0.0.1', resolve))
    after(() => good.close())
    const url = `http://hook.example:${(good.address() as AddressInfo).port}/`
    const rules = { ...addressRules(true), allows: (address: string) => address === '127.0.0.1' }
    const { resolve, asked } = await aNameServer([['127.0.0.1'], ['127.0.0.2']])
    const send = createSender({ rules, timeoutMs: 1_000, resolve })
    const answer = await send(url, {}, '{}', never)
    assert.deepEqual([outcome(answer), 'body' in answer && answer.body, answer.address], [200, 'good', '127.0.0.1'])
    assert.equal(asked(), 1)
    assert.equal(outcome(await send(url, {}, '{}', never)), 'address_refused')
  })

  it('that nobody has, or whose server is silent, is told so in time', async () => {
    const { resolve } = await aNameServer([[]])
    assert.equal(outcome(await strict(resolve)('https://hook.example/', {}, '{}', never)), 'name_not_found')
    const silent = createSocket('udp4')
    await new Promise<void>((done) => silent.bind(0, '127.0.0.1', done))
    after(() => silent.close())
    const slow: Resolve = (name, signal) => {
      const resolver = new Resolver({ timeout: 60_000, tries: 1 })
      resolver.setServers([`127.0.0.1:${silent.address().port}`])
      return resolveWith(resolver, name, signal)
    }
    const answer = await strict(slow, 200)('https://hook.example/', {}, '{}', never)
    assert.equal(outcome(answer), 'timeout')
    assert.ok(answer.milliseconds < 1_000)
  })

  it('with an address that cannot be reached is reached by another one that takes its time', async () => {
    const { port: full, free } = await aFullReceiver()
    const resolve: Resolve = async () => {
      // By then the first packet is out.
      setImmediate(() => setImmediate(free))
      return ['127.0.0.1', '127.0.0.9']
    }
    assert.equal(outcome(await open(resolve, 10_000)(`http://hook.example:${full}/`, {}, '{}', never)), 200)
  })

  it('whose server is silent about IPv6 is reached by IPv4 all the same', async () => {
    const receiver = createServer((_request, response) => response.end('here'))
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    after(() => receiver.close())
    const { resolve } = await aNameServer([['127.0.0.1']], 'silent')
    const url = `http://hook.example:${(receiver.address() as AddressInfo).port}/`
    assert.equal(outcome(await open(resolve, 8_000)(url, {}, '{}', never)), 200)
  })
})

describe('a URL', () => {
  const unasked: Resolve = () => assert.fail('no name is asked for')

  for (const host of ['127.0.0.1', '2130706433', '0x7f.1', '017700000001', '[::1]', '[::ffff:7f00:1]', 'localhost']) {
    it(`of ${host} that was stored before it was refused leads nowhere`, async () => {
      assert.equal(outcome(await strict(unasked)(`https://${host}:${port}/`, {}, '{}', never)), 'url_refused')
    })
  }

  it('of http leads nowhere', async () => {
    assert.equal(outcome(await strict(unasked)('http://1.1.1.1/', {}, '{}', never)), 'url_refused')
  })
})

describe('what is sent', () => {
  const unasked: Resolve = () => assert.fail('no name is asked for')

  it('follows no redirect, wherever it leads', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      const server = createServer((_request, response) =>
        response.writeHead(status, { location: `http://127.0.0.1:${port}/` }).end(),
      )
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
      assert.equal(outcome(await open(unasked)(url, {}, '{}', never)), status)
      server.close()
    }
  })

  it('to whom does not speak TLS is told as tls_failed, and to nobody as connection_failed', async () => {
    const send = open(unasked)
    assert.equal(outcome(await send(`https://127.0.0.1:${port}/`, {}, '{}', never)), 'tls_failed')
    const closed = createTcpServer()
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
    const free = (closed.address() as AddressInfo).port
    await new Promise((resolve) => closed.close(resolve))
    assert.equal(outcome(await send(`http://127.0.0.1:${free}/`, {}, '{}', never)), 'connection_failed')
  })

  for (const [what, head, expected] of [
    [
      'switches to another protocol',
      '101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x',
      'malformed_answer',
    ],
    ['names a protocol behind its answer', '200 OK\r\nconnection: upgrade\r\nupgrade: x\r\ncontent-length: 0', 200],
    ['goes on and on', '100 Continue', 'timeout'],
    [
      'says twenty times that it is at work, and answers',
      [...atWork(20), '200 OK\r\ncontent-length: 0'].join(NEXT),
      200,
    ],
    ['only ever says that it is at work', atWork(21).join(NEXT), 'malformed_answer'],
  ] as const) {
    it(`of whoever ${what} takes its place no longer than any other`, { timeout: 20_000 }, async () => {
      const server = createTcpServer((socket) => {
        socket.on('error', () => undefined)
        socket.on('data', () => socket.write(`HTTP/1.1 ${head}\r\n\r\n`))
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
      assert.equal(outcome(await open(unasked)(url, {}, '{}', never)), expected)
      server.close()
    })
  }

  it('takes no longer than it may, also where the answer comes byte by byte', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write('x'), 20)
      response.on('close', () => clearInterval(timer))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const answer = await open(unasked, 300)(url, {}, '{}', never)
    assert.equal(outcome(answer), 200)
    assert.ok(answer.milliseconds >= 250 && answer.milliseconds < 1_000, `${answer.milliseconds}`)
    server.close()
  })

  it('ends at once where the gateway stops', async () => {
    const server = createServer(() => undefined)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const stop = new AbortController()
    server.once('request', () => stop.abort())
    assert.equal(outcome(await open(unasked, 10_000)(url, {}, '{}', stop.signal)), 'stopped')
    server.closeAllConnections()
    server.close()
  })
})

it('nothing of it reached the inside', () => assert.equal(reached, 0))
