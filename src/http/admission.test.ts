import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createAdmission } from './admission.ts'

/** One that answers `each` ms after the one before, asked by so many as it lets in; how many were in at the end. */
function filled(each: number, rounds = 2_000) {
  let clock = 0
  const admission = createAdmission(() => clock)
  let under = 0
  const fill = () => {
    while (!admission.isFull()) {
      admission.enter()
      under += 1
    }
  }
  fill()
  for (let round = 0; round < rounds; round += 1) {
    clock += each
    admission.leave()
    under -= 1
    fill()
  }
  return under
}

describe('the admission of single payments', () => {
  it('lets a burst in that is soon done', () => {
    const admission = createAdmission(() => 0)
    for (let entered = 0; entered < 500; entered += 1) {
      assert.equal(admission.isFull(), false)
      admission.enter()
    }
  })

  it('holds as many as are answered in a quarter of a second, however fast that goes', () => {
    assert.equal(filled(0.25), 1_000)
    assert.equal(filled(0.5), 500)
    assert.equal(filled(1), 250)
  })

  it('is never too full for a hundred, however slow it is', () => assert.equal(filled(50), 100))

  it('learns nothing from requests that come one by one', () => {
    let clock = 0
    const admission = createAdmission(() => clock)
    for (let turn = 0; turn < 1_000; turn += 1) {
      admission.enter()
      clock += 100
      admission.leave()
    }
    for (let entered = 0; entered < 500; entered += 1) admission.enter()
    assert.equal(admission.isFull(), false)
  })

  it('lets everybody in again after it was full, whatever came and went', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(1_000)), { maxLength: 2_000 }), (steps) => {
        let clock = 0
        let under = 0
        const admission = createAdmission(() => clock)
        for (const [comes, ms] of steps) {
          clock += ms
          if (comes && !admission.isFull()) {
            admission.enter()
            under += 1
          } else if (!comes && under > 0) {
            admission.leave()
            under -= 1
          }
          if (under < 100) assert.equal(admission.isFull(), false)
        }
        for (; under > 0; under -= 1) admission.leave()
        assert.equal(admission.isFull(), false)
      }),
    )
  })
})
