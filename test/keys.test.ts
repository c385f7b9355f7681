import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Secret, TOTP } from 'otpauth'
import { aClient } from './harness/client.ts'
import { aDatabase } from './harness/cluster.ts'
import { aGateway, aUser, PASSWORD, type TestGateway } from './harness/gateway.ts'
import { assertBooksAreRight, rowsOf, transfer, untilSealed } from './harness/paying.ts'
import { aFolder } from './harness/server.ts'

const newKey = () => randomBytes(32).toString('base64')

/** Two nodes with their keys in files, which are replaced one by one: the new one is there before the old one goes. */
async function twoNodes() {
  const [folder, database] = [await aFolder(), await aDatabase()]
  const files = { secret: join(folder, 'secret.key'), seal: join(folder, 'seal.key') }
  const newSealKey = () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    writeFileSync(files.seal, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  }
  writeFileSync(files.secret, `${newKey()}\n`)
  newSealKey()
  const settings = { BGW_SECRET_KEY_FILE: files.secret, BGW_SEAL_KEY_FILE: files.seal }
  const start = () => aGateway(settings, database)
  const nodes: [TestGateway, TestGateway] = [await start(), await start()]
  /** As behind a balancer: what was sent to a node is answered before it ends. */
  const replaceAll = async (answered: () => Promise<unknown>) => {
    for (const index of [0, 1] as const) {
      const old = nodes[index]
      nodes[index] = await start()
      await answered()
      await old.stop()
    }
  }
  const replaced = (text: string) => writeFileSync(files.secret, text)
  return { nodes, replaceAll, newSealKey, secrets: () => readFileSync(files.secret, 'utf8').split('\n'), replaced }
}

/** The ids of the keys that second factors are sealed with, and those of blocks, in their order. */
async function keysInUse(gateway: TestGateway) {
  const [sealed, blocks] = await Promise.all([
    rowsOf(gateway, `select distinct encode(substr(secret, 2, 4), 'hex') as key from second_factors`),
    rowsOf(gateway, 'select key_id, min(number) from blocks group by 1 order by 2'),
  ])
  return { sealed: sealed.map(({ key }) => key).sort(), blocks: blocks.map(({ key_id }) => key_id) }
}

async function anEnrolled(gateway: TestGateway) {
  const user = await aUser(gateway)
  const { body } = await user.post('/v1/otp/enroll')
  const code = () => new TOTP({ secret: Secret.fromBase32(body.secret) }).generate()
  assert.equal((await user.post('/v1/otp/verify', { otp: code() })).status, 200)
  return { email: user.email, code }
}

describe('keys', () => {
  it('are rotated while payments are made: none is refused, what was sealed opens, and all blocks verify', async () => {
    const { nodes, replaceAll, newSealKey, secrets, replaced } = await twoNodes()
    const [ada, bob, early] = [await aUser(nodes[0]), await aUser(nodes[0]), await anEnrolled(nodes[0])]
    const payment = transfer(await ada.account('USD'), await bob.account('USD'), '0.50')
    await untilSealed(nodes[0])
    const before = await keysInUse(nodes[0])
    const statuses: number[] = []
    let rotating = true
    let sent: Promise<unknown> = Promise.resolve()
    const paying = (async () => {
      for (let turn = 0; rotating; turn += 1) {
        const node = nodes[turn % 2] ?? nodes[0]
        const answer = aClient(node.url, ada.token).post('/v1/payments', payment)
        sent = answer
        statuses.push((await answer).status)
      }
    })()

    // As docs/operations.md says: known to all nodes first, and only then used by any.
    const [old = '', next] = [secrets()[0], newKey()]
    replaced(`${old}\n${next}\n`)
    await replaceAll(() => sent)
    replaced(`${next}\n${old}\n`)
    newSealKey()
    await replaceAll(() => sent)
    rotating = false
    await paying

    assert.ok(statuses.length > 4)
    assert.deepEqual([...new Set(statuses)], [201])
    const late = await anEnrolled(nodes[1])
    await rowsOf(nodes[0], 'update second_factors set last_step = 0')
    for (const [at, { email, code }] of [
      [nodes[1], early],
      [nodes[0], late],
    ] as const) {
      const { status } = await at.anybody.post('/v1/login', { email, password: PASSWORD, otp: code() })
      assert.equal(status, 201)
    }
    await untilSealed(nodes[0])
    const now = await keysInUse(nodes[0])
    assert.deepEqual([before.sealed.length, now.sealed.length], [1, 2])
    assert.deepEqual([before.blocks.length, now.blocks.length], [1, 2])
    const { body } = await nodes[0].anybody.get('/v1/seal-keys')
    assert.deepEqual(
      body.data.map(({ id }: { id: string }) => id),
      now.blocks,
    )
    await assertBooksAreRight(nodes[0])
  })
})
