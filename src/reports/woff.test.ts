import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as fontkit from 'fontkit'
import { unpackWoff } from './woff.ts'

const filesOf = (name: string) => join(dirname(fileURLToPath(import.meta.resolve(`${name}/package.json`))), 'files')

describe('A font that was packed as WOFF', () => {
  it('has each of its tables as it was: they add up to what was noted of them', () => {
    const folder = filesOf('@fontsource/noto-sans')
    for (const file of readdirSync(folder).filter((name) => /-(400|700)-normal\.woff$/.test(name))) {
      const font = unpackWoff(readFileSync(join(folder, file)))
      for (let entry = 12; entry < 12 + 16 * font.readUInt16BE(4); entry += 16) {
        const tag = font.toString('latin1', entry, entry + 4)
        const [checksum, offset, length] = [entry + 4, entry + 8, entry + 12].map((at) => font.readUInt32BE(at))
        assert.equal(sumOf(font, tag, offset ?? 0, length ?? 0), checksum, `${tag} of ${file}`)
      }
    }
  })

  it('has the letters that it had', () => {
    const file = readFileSync(join(filesOf('@fontsource/noto-sans-hebrew'), 'noto-sans-hebrew-hebrew-400-normal.woff'))
    const [packed, unpacked] = [openFont(file), openFont(unpackWoff(file))]
    assert.deepEqual(unpacked.characterSet, packed.characterSet)
    for (const point of packed.characterSet) {
      const [before, after] = [packed, unpacked].map((font) => font.glyphForCodePoint(point))
      assert.equal(after?.path.toSVG(), before?.path.toSVG())
      assert.equal(after?.advanceWidth, before?.advanceWidth)
    }
  })

  it('is not what something else is', () => {
    assert.throws(() => unpackWoff(Buffer.from('%PDF-1.7 and more of it, as long as a header')), /no WOFF/)
  })
})

function openFont(data: Buffer): fontkit.Font {
  const font = fontkit.create(data)
  if (!('layout' in font)) throw new Error('this is no single font')
  return font
}

/** The checksum of a table (OpenType, Table directory); that of `head` leaves out what the whole font adds up to. */
function sumOf(font: Buffer, tag: string, offset: number, length: number): number {
  let sum = 0
  for (let at = offset; at < offset + length; at += 4) {
    if (tag !== 'head' || at !== offset + 8) sum = (sum + font.readUInt32BE(at)) >>> 0
  }
  return sum
}
