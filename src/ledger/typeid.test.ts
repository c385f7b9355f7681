import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { AccountId, Id } from './id.ts'
import { decodeId, encodeId, fromBase32, toBase32 } from './typeid.ts'

// From the test vectors of the TypeID specification.
const VECTORS = [
  ['00000000-0000-0000-0000-000000000000', '00000000000000000000000000'],
  ['00000000-0000-0000-0000-000000000001', '00000000000000000000000001'],
  ['00000000-0000-0000-0000-00000000000a', '0000000000000000000000000a'],
  ['00000000-0000-0000-0000-000000000020', '00000000000000000000000010'],
  ['01890a5d-ac96-774b-bcce-b302099a8057', '01h455vb4pex5vsknk084sn02q'],
  ['ffffffff-ffff-ffff-ffff-ffffffffffff', '7zzzzzzzzzzzzzzzzzzzzzzzzz'],
] as const

describe('the id of a thing on the wire', () => {
  for (const [uuid, text] of VECTORS) {
    it(`is ${text} for ${uuid}`, () => {
      assert.equal(toBase32(uuid as Id<string>), text)
      assert.equal(fromBase32(text), uuid)
    })
  }

  it('leads back to the id, for every id', () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        assert.equal(decodeId('acc', encodeId('acc', uuid as AccountId)), uuid)
      }),
    )
  })

  it('sorts as the ids do', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.uuid(), (one, other) => {
        assert.equal(one < other, toBase32(one as Id<string>) < toBase32(other as Id<string>))
      }),
    )
  })

  const wrong = [
    ['of another type', 'pay_01h455vb4pex5vsknk084sn02q'],
    ['without a type', '01h455vb4pex5vsknk084sn02q'],
    ['too short', 'acc_01h455vb4pex5vsknk084sn02'],
    ['too long', 'acc_01h455vb4pex5vsknk084sn02qq'],
    ['beyond 128 bits', 'acc_80000000000000000000000000'],
    ['in capitals', 'acc_01H455VB4PEX5VSKNK084SN02Q'],
    ['with a letter that is left out', 'acc_01h455vb4pex5vsknk084sn02u'],
    ['with a letter from elsewhere', 'acc_01h455vb4pex5vsknk084sn02é'],
    ['empty', ''],
  ]
  for (const [what, text] of wrong) {
    it(`is none where it is ${what}`, () => assert.equal(decodeId('acc', text ?? ''), undefined))
  }
})
