import { inflateSync } from 'node:zlib'

const HEADER = 44
const ENTRY = 20
const SFNT_HEADER = 12
const SFNT_ENTRY = 16

/**
 * What a font in a WOFF file was made from, its tables no longer compressed: read from the file itself, every document
 * would decompress anew what it needs of them. https://www.w3.org/TR/WOFF/ §3 to §5;
 * https://learn.microsoft.com/typography/opentype/spec/otff says what comes out. Throws where the file is something else.
 */
export function unpackWoff(file: Buffer): Buffer {
  if (file.toString('latin1', 0, 4) !== 'wOFF') throw new Error('this is no WOFF file')
  const count = file.readUInt16BE(12)
  const entries = Array.from({ length: count }, (_, index) => {
    const at = HEADER + index * ENTRY
    const [offset, packed, length] = [file.readUInt32BE(at + 4), file.readUInt32BE(at + 8), file.readUInt32BE(at + 12)]
    const stored = file.subarray(offset, offset + packed)
    const table = packed < length ? inflateSync(stored) : stored
    return { tag: file.readUInt32BE(at), checksum: file.readUInt32BE(at + 16), table }
  })
  const sizes = entries.map(({ table }) => Math.ceil(table.length / 4) * 4)
  const font = Buffer.alloc(SFNT_HEADER + count * SFNT_ENTRY + sizes.reduce((sum, size) => sum + size, 0))
  const entrySelector = Math.floor(Math.log2(count))
  file.copy(font, 0, 4, 8)
  font.writeUInt16BE(count, 4)
  font.writeUInt16BE(16 * 2 ** entrySelector, 6)
  font.writeUInt16BE(entrySelector, 8)
  font.writeUInt16BE(16 * (count - 2 ** entrySelector), 10)
  let offset = SFNT_HEADER + count * SFNT_ENTRY
  for (const [index, { tag, checksum, table }] of entries.entries()) {
    const at = SFNT_HEADER + index * SFNT_ENTRY
    for (const [place, value] of [tag, checksum, offset, table.length].entries()) {
      font.writeUInt32BE(value, at + 4 * place)
    }
    table.copy(font, offset)
    offset += sizes[index] ?? 0
  }
  return font
}
