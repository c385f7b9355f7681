import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseStrictJson } from './body.ts'
import { ApiError } from './errors.ts'
import { type ParsedRecord, readLines } from './records.ts'

const parse = (text: string) => parseStrictJson(Buffer.from(text))
const isMalformed = (error: unknown) => error instanceof ApiError && error.code === 'malformed_body'

describe('a body', () => {
  it('is any JSON of well-formed text', () => {
    const json = fc.jsonValue({ maxDepth: 4 }).filter((value) => !JSON.stringify(value).includes('\\u0000'))
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        fc.pre(Buffer.from(text).toString() === text && JSON.stringify(JSON.parse(text)).isWellFormed())
        try {
          assert.deepEqual(parse(text), JSON.parse(text))
        } catch (error) {
          // The only values left that JSON can write and we refuse hold a lone surrogate.
          assert.ok(isMalformed(error) && /\\ud[89a-f]/i.test(text))
        }
      }),
    )
  })

  it('may hold colons and quotes in its texts', () => {
    const value = { 'a":"b': 'x:y\\":', c: [':', { d: '\\' }] }
    assert.deepEqual(parse(JSON.stringify(value)), value)
  })

  const refused = [
    ['names a field twice', '{"amount":"1.00","amount":"2.00"}'],
    ['names a field twice further inside', '{"a":[{"b":1,"c":{"d":1,"d":2}}]}'],
    ['names a field twice, once in other letters', '{"amount":"1","\\u0061mount":"2"}'],
    ['is cut off', '{"a":1'],
    ['has something behind its end', '{"a":1}}'],
    ['is empty', ''],
    ['holds a lone surrogate', '{"a":"\\ud800"}'],
    ['holds a NUL', '{"a":"\\u0000"}'],
    ['names a field with a NUL', '{"\\u0000":1}'],
    ['is nested beyond sense', `${'['.repeat(100)}${']'.repeat(100)}`],
  ] as const
  for (const [what, text] of refused) {
    it(`is refused where it ${what}`, () => assert.throws(() => parse(text), isMalformed))
  }

  it('is refused where it holds more values than any call takes, before they are made', () => {
    const numbers = (count: number) => `[${Array(count).fill(1).join()}]`
    assert.equal((parse(numbers(9_999)) as unknown[]).length, 9_999)
    const isTooLarge = (error: unknown) => error instanceof ApiError && error.code === 'too_large'
    for (const text of [numbers(10_001), `[${'[],'.repeat(10_000)}1]`]) assert.throws(() => parse(text), isTooLarge)
  })

  it('is refused where it is not UTF-8', () => {
    assert.throws(() => parseStrictJson(Buffer.from([0x22, 0xff, 0x22])), isMalformed)
  })
})

async function recordsOf(chunks: readonly Buffer[], most = 1_000): Promise<ParsedRecord[]> {
  const records: ParsedRecord[] = []
  for await (const group of readLines(Readable.from(chunks), most)) {
    assert.ok(group.length > 0 && group.length <= most)
    records.push(...group)
  }
  return records
}

describe('a body of lines', () => {
  it('is the same wherever its chunks are cut', async () => {
    const lines = fc.array(fc.oneof(fc.jsonValue(), fc.constant(undefined)), { maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(lines, fc.array(fc.nat(400)), fc.integer({ min: 1, max: 5 }), async (values, cuts, most) => {
        const text = Buffer.from(
          values.map((value) => (value === undefined ? ' \r' : JSON.stringify(value))).join('\n'),
        )
        const places = [
          0,
          ...cuts.map((cut) => cut % (text.length + 1)).sort((left, right) => left - right),
          text.length,
        ]
        const chunks = places.slice(1).map((place, index) => text.subarray(places[index], place))
        const whole = await recordsOf([text])
        assert.deepEqual(await recordsOf(chunks, most), whole)
        assert.equal(whole.length, values.filter((value) => value !== undefined).length)
      }),
      { numRuns: 200 },
    )
  })

  it('has an error where a line is wrong, and goes on behind it', async () => {
    const records = await recordsOf([Buffer.from('1\n{"a":\n3')])
    assert.deepEqual(
      records.map(({ ok }) => ok),
      [true, false, true],
    )
  })

  it('is refused from a line on that is longer than 64 KiB, wherever its chunks are cut', async () => {
    const text = Buffer.from(`1\n"${'x'.repeat(70_000)}"\n3`)
    for (const cuts of [[], [1], [2], [30_000], [69_000], [70_005]]) {
      const places = [0, ...cuts, text.length]
      const groups = readLines(
        Readable.from(places.slice(1).map((place, index) => text.subarray(places[index], place))),
        10,
      )
      const first = await groups.next()
      assert.deepEqual(first.value?.length, 1, `cut at ${cuts}`)
      await assert.rejects(groups.next(), /longer than 64 KiB/, `cut at ${cuts}`)
    }
    await assert.rejects(recordsOf([Buffer.alloc(70_000, 0x20)]), /longer than 64 KiB/)
  })

  it('that is cut off ends with an error, not with half a line', async () => {
    const cut = new Readable({ read: () => undefined })
    cut.push('1\n{"a":1')
    const groups = readLines(cut, 10)
    assert.equal((await groups.next()).value?.length, 1)
    cut.destroy(new Error('aborted'))
    await assert.rejects(groups.next(), /aborted/)
  })
})
