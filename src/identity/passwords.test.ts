import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readConfig } from '../config.ts'
import { Refused } from '../payments/refusals.ts'
import { createPasswords } from './passwords.ts'

describe('a password', () => {
  it('costs whoever guesses it what OWASP asks for, by every configuration', async () => {
    const { passwordCost } = readConfig({})
    const hash = await createPasswords(passwordCost).hash('correct horse')
    assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  })

  it('is verified at the cost that it was hashed at, whatever new ones cost', async () => {
    const [earlier, now] = [createPasswords({ memory: 8, passes: 1 }), createPasswords({ memory: 16, passes: 3 })]
    const hash = await earlier.hash('correct horse')
    assert.equal(await now.verify('correct horse', hash), true)
    assert.equal(await now.verify('wrong horse', hash), false)
    assert.equal(await now.verify('correct horse', null), false)
    assert.notEqual(await earlier.hash('correct horse'), hash)
  })

  it('waits for its turn, is refused where a hundred wait already, and holds up nobody who comes later', async () => {
    const { hash } = createPasswords({ memory: 8, passes: 1 })
    const asked = await Promise.allSettled(Array.from({ length: 150 }, (_, index) => hash(`horse ${index}`)))
    const refusals = asked.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
    assert.ok(refusals.length >= 1 && refusals.length < 50, `${refusals.length} are refused`)
    for (const refusal of refusals) assert.ok(refusal instanceof Refused && refusal.reason === 'overloaded')
    assert.match(await hash('correct horse'), /^\$argon2id\$/)
  })
})
