import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { passwordProblem } from './password_rules.ts'

const ada = { least: 15, email: 'Ada.Lovelace@example.com' }

describe('a new password', () => {
  for (const [what, password, problem] of [
    ['fourteen characters', 'fourteen chars', 'too_short'],
    ['fifteen characters', 'fifteen charact', undefined],
    ['fifteen characters beyond the BMP', [...'😀😁😂🤣😃😄😅😆😉😊😋😎😍😘🥰'].join(''), undefined],
    ['eight characters of two code units each', '😀😁😂🤣😃😄😅😆', 'too_short'],
    ['fourteen that NFKC makes fifteen', 'o\ufb03ce staplers'.padEnd(13, '.'), undefined],
    ['one of the list, in any case', '1QAZ2wsx3edc4rfv', 'too_common'],
    ['one of the list, in wide letters', '１ｑａｚ２ｗｓｘ３ｅｄｃ４ｒｆｖ', 'too_common'],
    ['one of the list, twice', 'PasswordPassword', 'too_common'],
    ['one of the list, and begun again', '123456789012345', 'too_common'],
    ['one character', 'a'.repeat(40), 'too_common'],
    ['one syllable', 'nananananananananana', 'too_common'],
    ['the address', 'ada.lovelace@EXAMPLE.com', 'too_common'],
    ['the name in the address, again and again', 'ada.lovelaceada.lovelace', 'too_common'],
    ['a phrase', 'correct horse battery', undefined],
    ['only blanks at the end', `correct horse${' '.repeat(10)}`, undefined],
  ] as const) {
    it(`of ${what} is ${problem ?? 'taken'}`, () => assert.equal(passwordProblem(password, ada), problem))
  }

  it('that repeats a part shorter than eight characters is refused, however long it is', () => {
    const part = fc.string({ minLength: 1, maxLength: 7, unit: fc.constantFrom('a', 'b', '1', ' ') })
    fc.assert(
      fc.property(part, fc.integer({ min: 15, max: 60 }), (repeated, length) => {
        const password = repeated.repeat(length).slice(0, length)
        assert.equal(passwordProblem(password, ada), 'too_common')
      }),
    )
  })
})
