import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { before, describe, it } from 'node:test'
import { aGateway, aUser, PASSWORD } from './harness/gateway.ts'
import { noneHeldBack, transfer } from './harness/paying.ts'
import { aFolder, gone } from './harness/server.ts'

const ROOT = join(import.meta.dirname, '..')
const PACKAGE = join(ROOT, 'packages/client')

/** A program of somebody who installed the package. */
describe('the client package', () => {
  let folder: string
  before(async () => {
    folder = await aFolder('bgw-package-')
    const installed = join(folder, 'node_modules/billing-gateway-client')
    await mkdir(installed, { recursive: true })
    const packed = JSON.parse(await run('npm', ['pack', '--json', '--silent', '--pack-destination', folder], PACKAGE))
    const [file] = Object.values<{ filename: string }>(packed)
    await run('tar', ['-xf', join(folder, file?.filename ?? ''), '-C', installed, '--strip-components=1'], folder)
    await writeFile(join(folder, 'package.json'), '{"type": "module"}')
  })

  it('has JavaScript with types, and no dependency', async () => {
    const manifest = JSON.parse(
      await readFile(join(folder, 'node_modules/billing-gateway-client/package.json'), 'utf8'),
    )
    assert.equal(manifest.dependencies, undefined)
    const exported = await run(
      process.execPath,
      ['-e', 'import("billing-gateway-client").then((all) => console.log(Object.keys(all).sort().join()))'],
      folder,
    )
    assert.match(exported, /NoAnswerError,ProblemError,WatchError,WebhookError,createClient,operations,verifyWebhook/)
  })

  it('does what its README shows, and is typed as it shows', async () => {
    const gateway = await aGateway()
    const [ada, bob] = [await aUser(gateway), await aUser(gateway)]
    const to_account = await bob.account('USD')
    await noneHeldBack(gateway)
    await ada.post('/v1/payments', transfer(await ada.account('USD'), to_account, '1.00'))
    const { body } = await ada.get('/v1/events?limit=1&sort=position')
    const known = { url: gateway.url, email: ada.email, password: PASSWORD, to_account, after: body.data[0].position }
    const given = Object.entries({ ...known, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' })
    const lines = given.map(([name, value]) => `const ${name}: string = ${JSON.stringify(value)}`)
    const readme = await readFile(join(PACKAGE, 'README.md'), 'utf8')
    const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block = '']) => block)
    assert.ok(blocks.length >= 5)
    const refused = "if ((await receive(new Headers(), '{}')) !== 400) throw new Error('it was taken')"
    const file = join(folder, 'readme.ts')
    await writeFile(file, [...lines, ...blocks, refused, "console.log('done')"].join('\n'))
    const types = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--lib',
      'es2023,dom,dom.iterable',
    ]
    await run(join(ROOT, 'node_modules/.bin/tsc'), [...types, '--types', '', file], folder)
    const printed = await run(process.execPath, [file], folder)
    assert.match(printed, /decimals/)
    assert.match(printed, /^pay_\w+ 12\.30 USD$/m)
    assert.match(printed, /^completed\ncompleted$/m)
    assert.match(printed, /opening|balance/)
    // One event, as the signal is aborted then.
    assert.match(printed, /\naccount\.created acc_\w+ \S+\nit is completed\ndone$/m)
    assert.equal(printed.match(/^account\.created/gm)?.length, 1)
  })
})

/** What a program prints; throws with all that it said where it fails. */
async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const [out, said, code] = await Promise.all([text(child.stdout), text(child.stderr), gone(child)])
  assert.equal(code, 0, `${program} ${args.join(' ')}\n${out}\n${said}`)
  return out
}
