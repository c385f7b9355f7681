import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { noFlushes, onEachFlush } from '../../test/harness/flushes.ts'
import { createSecretBox, openSecretBox } from './secret_box.ts'

const folder = mkdtempSync(join(tmpdir(), 'bgw-keys-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function aKeyFile(name: string, ...keys: string[]): string {
  const file = join(folder, name)
  writeFileSync(file, keys.map((key) => `${key}\n`).join(''))
  return file
}
const aKey = () => randomBytes(32).toString('base64')

describe('a sealed secret', () => {
  const box = createSecretBox(aKeyFile('one', aKey()))

  it('opens to what it was, for any text and place, and shows nothing of it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 8 }), fc.string(), (secret, place) => {
        const sealed = box.seal(secret, place)
        assert.equal(box.open(sealed, place), secret)
        assert.ok(!sealed.includes(Buffer.from(secret)))
        assert.notDeepEqual(box.seal(secret, place), sealed)
      }),
    )
  })

  it('opens in no other place, and not when any byte of it has changed', () => {
    const sealed = box.seal('whsec_secret', 'webhook 1/a')
    assert.throws(() => box.open(sealed, 'webhook 2/a'))
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed)
      changed.writeUInt8(changed.readUInt8(index) ^ 1, index)
      assert.throws(() => box.open(changed, 'webhook 1/a'), `byte ${index}`)
    }
    for (let length = 0; length < sealed.length; length += 1) {
      assert.throws(() => box.open(sealed.subarray(0, length), 'webhook 1/a'), `${length} bytes`)
    }
  })

  it('opens after a new key was put in front of its own, and not without its own', () => {
    const [old, fresh] = [aKey(), aKey()]
    const sealed = createSecretBox(aKeyFile('old', old)).seal('secret', 'here')
    const rotated = createSecretBox(aKeyFile('rotated', fresh, old))
    assert.equal(rotated.open(sealed, 'here'), 'secret')
    const lost = createSecretBox(aKeyFile('lost', fresh))
    assert.equal(lost.open(rotated.seal('newer', 'here'), 'here'), 'newer')
    assert.throws(() => lost.open(sealed, 'here'), /which .*lost does not hold/)
  })
})

describe('a key file', () => {
  it('is made in the data folder once, for its owner only, and kept', () => {
    const dataFolder = join(folder, 'data')
    const sealed = openSecretBox({ secretKeyFile: undefined, dataFolder }).seal('secret', 'here')
    const file = join(dataFolder, 'secret.key')
    assert.match(readFileSync(file, 'utf8'), /^[\w+/]{43}=\n$/)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(openSecretBox({ secretKeyFile: undefined, dataFolder }).open(sealed, 'here'), 'secret')
    assert.equal(openSecretBox({ secretKeyFile: file, dataFolder: '/nowhere' }).open(sealed, 'here'), 'secret')
  })

  it('is on the disk, with its name, before a secret is sealed with it', { skip: noFlushes }, (t) => {
    const own = mkdtempSync(join(folder, 'flushed-'))
    const flushed: string[] = []
    onEachFlush(t, (path) => flushed.push(path))
    openSecretBox({ secretKeyFile: undefined, dataFolder: own })
    const [file = '', names] = flushed
    assert.match(file, /secret\.key/)
    assert.deepEqual([flushed.length, names], [2, own])
  })

  it('that is named and not there is not made', () => {
    const secretKeyFile = join(folder, 'named.key')
    assert.throws(() => openSecretBox({ secretKeyFile, dataFolder: folder }), /cannot read the key file/)
  })

  it('that holds no key, or something else, is refused by name', () => {
    assert.throws(() => createSecretBox(aKeyFile('empty')), /empty holds no key/)
    assert.throws(() => createSecretBox(aKeyFile('short', aKey(), 'c2hvcnQ=')), /key 2 of the key file .*short/)
    assert.throws(() => createSecretBox(join(folder, 'none')), /cannot read the key file/)
  })
})
