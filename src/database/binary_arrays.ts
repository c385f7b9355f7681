import { DIGITS } from '../ledger/id.ts'

// Arrays as parameters in PostgreSQL's binary form (array_send in its source): neither side writes or reads them as text,
// which was a tenth of what a batch cost on either. pg sends a Buffer as it is; the statement says the type, `$1::uuid[]`.

const UUID = 2950
const TEXT = 25
const NUMERIC = 1700
const JSONB = 3802

/** `uuid[]`, of ids in their canonical form. */
export function uuids(values: readonly (string | null)[]): Buffer {
  const buffer = begin(values, UUID, 16 * values.length)
  let at = HEADER
  for (const value of values) {
    if (value === null) at = buffer.writeInt32BE(-1, at)
    else at = writeHex(buffer, buffer.writeInt32BE(16, at), value)
  }
  return buffer.subarray(0, at)
}

/** `text[]`. */
export function texts(values: readonly (string | null)[]): Buffer {
  const buffer = begin(values, TEXT, mostOfTexts(values))
  let at = HEADER
  for (const value of values) at = writeText(buffer, at, '', value)
  return buffer.subarray(0, at)
}

/** `jsonb[]`, of texts that are JSON. */
export function jsons(values: readonly (string | null)[]): Buffer {
  const buffer = begin(values, JSONB, mostOfTexts(values) + values.length)
  let at = HEADER
  // The version of the form comes first.
  for (const value of values) at = writeText(buffer, at, '\x01', value)
  return buffer.subarray(0, at)
}

/** `numeric[]`, of whole numbers. */
export function numerics(values: readonly (bigint | null)[]): Buffer {
  const buffer = begin(values, NUMERIC, MOST_OF_NUMERIC * values.length)
  let at = HEADER
  for (const value of values) at = value === null ? buffer.writeInt32BE(-1, at) : writeNumeric(buffer, at, value)
  return buffer.subarray(0, at)
}

/** Dimensions, whether there are nulls, the type, the length and the first index. */
const HEADER = 20
/** A UTF-16 unit is at most three bytes of UTF-8. */
const MOST_OF_CHARACTER = 3
/** Its head, and the digits of the largest `numeric(38,0)`. */
const MOST_OF_NUMERIC = 8 + 2 * 10

function mostOfTexts(values: readonly (string | null)[]): number {
  let characters = 0
  for (const value of values) characters += value?.length ?? 0
  return characters * MOST_OF_CHARACTER
}

/** Room for a length each and all that is behind these, with the head of the array written. */
function begin(values: readonly unknown[], type: number, most: number): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER + values.length * 4 + most)
  // An array without elements has no dimension, but one of length nought is read as that.
  buffer.writeInt32BE(1, 0)
  buffer.writeInt32BE(values.includes(null) ? 1 : 0, 4)
  buffer.writeInt32BE(type, 8)
  buffer.writeInt32BE(values.length, 12)
  buffer.writeInt32BE(1, 16)
  return buffer
}

function writeText(buffer: Buffer, at: number, before: string, value: string | null): number {
  if (value === null) return buffer.writeInt32BE(-1, at)
  const end = at + 4 + buffer.write(before + value, at + 4)
  buffer.writeInt32BE(end - at - 4, at)
  return end
}

const HYPHEN = 0x2d
/** The value of each hexadecimal digit, by its character; minus one where it is none. */
const VALUES = Int8Array.from({ length: 256 }, (_, code) => DIGITS.indexOf(String.fromCharCode(code).toLowerCase()))
/** The characters of one id: asked of the text one by one they cost twice as much. */
const characters = Buffer.alloc(36)

function writeHex(buffer: Buffer, start: number, id: string): number {
  const length = id.length === characters.length ? characters.write(id, 'latin1') : 0
  let at = start
  for (let index = 0; index < length; index += 2) {
    if (characters[index] === HYPHEN) index += 1
    const byte = (valueAt(index) << 4) | valueAt(index + 1)
    if (byte < 0) break
    buffer[at] = byte
    at += 1
  }
  if (at !== start + 16) throw new Error(`'${id}' is no UUID`)
  return at
}

function valueAt(index: number): number {
  return VALUES[characters[index] ?? 0] ?? -1
}

const BASE = 10_000
const NEGATIVE = 0x4000

/** Digits to the base of ten thousand, the highest first, and the power of the first one. */
function writeNumeric(buffer: Buffer, at: number, value: bigint): number {
  const digits = digitsOf(value < 0n ? -value : value)
  buffer.writeInt32BE(8 + 2 * digits.length, at)
  buffer.writeInt16BE(digits.length, at + 4)
  buffer.writeInt16BE(digits.length - 1, at + 6)
  buffer.writeInt16BE(value < 0n ? NEGATIVE : 0, at + 8)
  buffer.writeInt16BE(0, at + 10)
  let end = at + 12
  for (let index = digits.length - 1; index >= 0; index -= 1) end = buffer.writeInt16BE(digits[index] ?? 0, end)
  return end
}

/** The lowest first. */
function digitsOf(value: bigint): number[] {
  const digits: number[] = []
  let rest = value
  while (rest > Number.MAX_SAFE_INTEGER) {
    digits.push(Number(rest % BigInt(BASE)))
    rest /= BigInt(BASE)
  }
  for (let small = Number(rest); small > 0; small = Math.floor(small / BASE)) digits.push(small % BASE)
  return digits
}
