// The characters that every bank takes (SWIFT character set x, EPC217-08): what is not among them is written with those
// that are.

const SPELLED: Readonly<Record<string, string>> = {
  ...{ ß: 'ss', ẞ: 'SS', æ: 'ae', Æ: 'AE', œ: 'oe', Œ: 'OE', ø: 'o', Ø: 'O', å: 'a', Å: 'A', đ: 'd', Đ: 'D', ð: 'd' },
  ...{ Ð: 'D', þ: 'th', Þ: 'TH', ł: 'l', Ł: 'L', ı: 'i', ħ: 'h', Ħ: 'H', ŋ: 'n', Ŋ: 'N', ŧ: 't', Ŧ: 'T', ĸ: 'k' },
  ...{
    '&': '+',
    '@': '(at)',
    _: '-',
    '–': '-',
    '—': '-',
    '‘': "'",
    '’': "'",
    '“': "'",
    '”': "'",
    '"': "'",
    '€': 'EUR',
  },
  ...{
    А: 'A',
    Б: 'B',
    В: 'V',
    Г: 'G',
    Д: 'D',
    Е: 'E',
    Ж: 'ZH',
    З: 'Z',
    И: 'I',
    Й: 'Y',
    К: 'K',
    Л: 'L',
    М: 'M',
    Н: 'N',
  },
  ...{ О: 'O', П: 'P', Р: 'R', С: 'S', Т: 'T', У: 'U', Ф: 'F', Х: 'H', Ц: 'TS', Ч: 'CH', Ш: 'SH', Щ: 'SHT', Ъ: 'A' },
  ...{ Ь: 'Y', Ю: 'YU', Я: 'YA', Ы: 'Y', Э: 'E', Α: 'A', Β: 'V', Γ: 'G', Δ: 'D', Ε: 'E', Ζ: 'Z', Η: 'I', Θ: 'TH' },
  ...{
    Ι: 'I',
    Κ: 'K',
    Λ: 'L',
    Μ: 'M',
    Ν: 'N',
    Ξ: 'X',
    Ο: 'O',
    Π: 'P',
    Ρ: 'R',
    Σ: 'S',
    Τ: 'T',
    Υ: 'Y',
    Φ: 'F',
    Χ: 'CH',
  },
  ...{ Ψ: 'PS', Ω: 'O', ς: 's' },
}

const OTHER = /[^A-Za-z0-9/\-?:().,'+ ]/gu

/**
 * The text in the characters that every bank takes, without accents, what cannot be spelled as `?`, cut to so many. It
 * neither begins nor ends with a slash, has no two of them side by side (EPC guidelines 1.4), and no two spaces.
 */
export function inBankCharacters(text: string, longest: number): string {
  const spelled = text
    .normalize('NFC')
    .replaceAll(OTHER, spell)
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(OTHER, spell)
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\/{2,}/g, '/')
  return trimmed(trimmed(spelled).slice(0, longest))
}

function spell(character: string): string {
  const known = SPELLED[character]
  if (known !== undefined) return known
  const upper = SPELLED[character.toUpperCase()]
  if (upper !== undefined) return upper.toLowerCase()
  if (/\s/u.test(character)) return ' '
  // Accents are taken off afterwards; what has none stays unknown.
  const plain = character.normalize('NFD').replaceAll(/\p{M}/gu, '')
  if (plain === '') return ''
  return plain === character ? '?' : [...plain].map((each) => (/[A-Za-z0-9]/.test(each) ? each : spell(each))).join('')
}

function trimmed(text: string): string {
  return text.replaceAll(/^[/\s]+|[/\s]+$/g, '')
}

/** Whether anything is left of a name in the characters of banks. */
export function isBankName(name: string): boolean {
  return /[A-Za-z0-9]/.test(inBankCharacters(name, LONGEST_NAME))
}

/** What SEPA allows of a name; the schema has 140. */
export const LONGEST_NAME = 70
