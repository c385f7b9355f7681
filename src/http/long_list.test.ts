import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseStrictJson } from './body.ts'
import { ApiError } from './errors.ts'
import { parseLongList } from './long_list.ts'

const MIB = 1024 * 1024
const refuse = () => new ApiError('too_many_payments')
const parse = (text: string) => parseLongList(Buffer.from(text), { name: 'payments', most: 3, refuse })
const isCode = (code: string) => (error: unknown) => error instanceof ApiError && error.code === code

describe('a body with a long list', () => {
  it('is read as any JSON is', async () => {
    const json = fc.jsonValue({ maxDepth: 3 })
    const fields = fc.record({ payments: fc.array(json, { maxLength: 3 }), atomic: json }, { requiredKeys: [] })
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fields, json),
        fc.constantFrom(undefined, 2),
        fc.boolean(),
        async (value, indent, last) => {
          const turned = last && typeof value === 'object' && value ? Object.entries(value).reverse() : undefined
          const text = JSON.stringify(
            turned && !Array.isArray(value) ? Object.fromEntries(turned) : value,
            null,
            indent,
          )
          const whole = await Promise.try(() => parseStrictJson(Buffer.from(text))).catch(
            (error: ApiError) => error.code,
          )
          const hasOther = Object.entries((value ?? {}) as object).some(
            ([key, of]) => key !== 'payments' && Array.isArray(of),
          )
          fc.pre(!hasOther || Array.isArray(value))
          assert.deepEqual(await parse(text).catch((error: ApiError) => error.code), whole)
        },
      ),
    )
  })

  const refused = [
    ['has nothing behind a comma', '{"payments":[1,]}'],
    ['has nothing before a comma', '{"payments":[,1]}'],
    ['has a list that does not end', '{"payments":[1'],
    ['has a text that does not end', '{"payments":["1]}'],
    ['ends a list as if it were an object', '{"payments":[1}'],
    ['has two values in one place', '{"payments":[1 2]}'],
    ['has something behind its end', '{"payments":[1]}]'],
    ['names its list twice', '{"payments":[1],"payments":[1]}'],
    ['names a field of an item twice', '{"payments":[{"a":1,"a":1}]}'],
    ['has a list without a name', '{[1]}'],
    ['is nested beyond sense', `{"payments":[${'['.repeat(100)}${']'.repeat(100)}]}`],
  ] as const
  for (const [what, text] of refused) {
    it(`is refused where it ${what}`, () => assert.rejects(parse(text), isCode('malformed_body')))
  }

  it('may hold all that JSON is made of in its texts', async () => {
    const value = { 'a":[': '],', payments: ['[{,:\\"', { b: ']}' }, ['"']] }
    assert.deepEqual(await parse(JSON.stringify(value)), value)
  })

  it('is refused where it has more items than there may be, whatever is behind them', async () => {
    await assert.rejects(parse('{"payments":[1,2,3,4'), isCode('too_many_payments'))
  })

  it('has items, and else what is around them, of 1 MiB at most', async () => {
    const long = (length: number) => `"${'x'.repeat(length - 2)}"`
    assert.equal(((await parse(`{"payments":[${long(MIB)},${long(MIB)}]}`)) as any).payments.length, 2)
    for (const text of [`[${long(MIB + 1)}]`, `[],"a":${long(MIB)}`, `{},"a":${long(MIB)}`]) {
      await assert.rejects(parse(`{"payments":${text}}`), isCode('too_large'))
    }
  })

  it('is refused where it is made of more values than any payments are, before they are made', async () => {
    const empty = (count: number) => Array(count).fill('[]').join()
    await assert.rejects(parse(`{"payments":[[${empty(10_000)}]]}`), isCode('too_large'))
    const many = Buffer.from(`{"payments":[${Array(1_000).fill(`[${empty(900)}]`)}]}`)
    await assert.rejects(parseLongList(many, { name: 'payments', most: 1_000, refuse }), isCode('too_large'))
  })
})
