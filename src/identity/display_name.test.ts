import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseDisplayName } from './display_name.ts'

describe('a display name', () => {
  for (const name of [
    ...['Ada Lovelace', 'O’Hara & Söhne GmbH', 'Ω', '7', 'Łukasz Żółć', 'Nguyễn Thị Hoa', 'Анна Ковальчук'],
    ...['محمد الأمين', 'שרה כהן', 'अनन्या शर्मा', 'สมชาย ใจดี', '김서연', '山田太郎', '王小明', 'ქეთევანი', 'Մարիամ'],
    // With a joiner where it belongs.
    'می\u200Cخواهم',
  ]) {
    it(`may be ${name}`, () => assert.deepEqual(parseDisplayName(name), { ok: true, name: name.normalize('NFC') }))
  }

  it('is kept in one form, whichever it was written in', () => {
    assert.deepEqual(parseDisplayName('So\u0308hne'), { ok: true, name: 'S\u00F6hne' })
  })

  for (const [what, name, problem] of [
    ['an e-mail address', 'bob@example.com', /e-mail/],
    ['one with a wide at sign', 'bob＠example.com', /e-mail/],
    ['one with a small at sign', 'bob﹫example', /e-mail/],
    ['an account of the house', 'internal', /house/],
    ['one in another case and width', 'Ｗire', /house/],
    ['one with a space', 'Crypto Currency', /house/],
    ['what is shown of whoever was erased', 'erased user', /erased/],
    ['that in another case and width', 'Ｅrased USER', /erased/],
    ['nothing', '', /letter/],
    ['a space', ' ', /spaces/],
    ['signs only', '+++', /letter/],
    ['spaces at the end', 'Ada ', /spaces/],
    ['spaces in a row', 'Ada  Lovelace', /spaces/],
    ['a space of another kind', 'Ada\u00A0Lovelace', /spaces/],
    ['a new line', 'Ada\nLovelace', /seen/],
    ['a control character', 'Ada\u0007', /seen/],
    ['a turn of direction', 'Ada\u202Ebob', /seen/],
    ['an invisible space', 'A\u200Bda', /seen/],
    ['a joiner between Latin letters', 'A\u200Dda', /seen/],
    ['a filler that looks like nothing', 'A\u3164', /seen/],
    ['a line separator', 'A\u2028da', /seen/],
    ['a private character', 'A\uE000', /seen/],
    ['piled up marks', `A${'\u0315'.repeat(6)}`, /marks/],
    ['71 characters', 'a'.repeat(71), /70/],
    ['one that NFC makes longer', '\u0958'.repeat(40), /70/],
  ] as const) {
    it(`is not ${what}`, () => {
      const parsed = parseDisplayName(name)
      assert.match(parsed.ok ? 'taken' : parsed.problem, problem)
    })
  }
})
