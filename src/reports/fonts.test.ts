import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runsOf, writtenIn } from './fonts.ts'
import { inVisualOrder } from './visual_order.ts'

/** A line as its runs stand on paper, from the left; `<` before those that are read from the right. */
async function onPaper(text: string): Promise<string[]> {
  const runs = inVisualOrder(await runsOf(text, 'regular'))
  return runs.map((run) => (run.level % 2 === 1 ? `<${run.text}` : run.text))
}

describe('The letters of a PDF', () => {
  for (const [script, name] of Object.entries({
    ...{ Latin: 'Łukasz Żółć', Vietnamese: 'Nguyễn Thị Hoa', Greek: 'Ελένη', Cyrillic: 'Анна', Armenian: 'Մարիամ' },
    ...{ Georgian: 'ქეთევანი', Arabic: 'محمد الأمين', Persian: 'می\u200Cخواهم', Hebrew: 'שרה כהן', Thai: 'น้ำใจ' },
    ...{ Devanagari: 'क्षत्रिय', Bengali: 'অনন্যা', Tamil: 'செல்வி', Chinese: '王小明', Japanese: '山田さくら' },
    Korean: '김서연',
  })) {
    it(`write ${script}`, async () => {
      for (const weight of ['regular', 'bold'] as const) {
        const runs = await runsOf(name, weight)
        assert.equal(runs.map(({ text }) => text).join(''), name)
        assert.ok(runs.every(({ text, font }) => [...text].every((letter) => font.has(letter.codePointAt(0) ?? 0))))
      }
    })
  }

  it('are a question mark where no font has them, and nothing where they cannot be seen', async () => {
    assert.deepEqual(await onPaper('a 😀\u200Eb'), ['a ?b'])
  })

  it('stand from right to left where they are read so, the numbers among them from left to right', async () => {
    assert.deepEqual(await onPaper('to שרה 12 כהן'), ['to ', '<כהן', '< ', '12', '<שרה '])
    assert.deepEqual(await onPaper('to محمد ٢٠٢٦'), ['to ', '٢٠٢٦', '<محمد '])
  })

  it('are given to their font so that they come out in their direction, brackets turned round', async () => {
    const written = async (text: string) => (await runsOf(text, 'regular')).map(writtenIn)
    // The font turns letters round by itself; what stands alone has to be turned for it.
    assert.deepEqual(await written('שרה'), ['שרה'])
    const [letters, bracket] = await written('ש(ה')
    assert.deepEqual([letters, bracket], ['ש', ')'])
  })
})
