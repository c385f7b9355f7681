/** An element of XML: text is escaped, elements inside are what `element` gave. Null stands for none. */
export function element(
  name: string,
  content: string | null | readonly (Xml | null)[],
  attributes: Readonly<Record<string, string>> = {},
): Xml | null {
  if (content === null) return null
  const inside = typeof content === 'string' ? escapeXml(content) : content.map((part) => part?.xml ?? '').join('')
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeXml(value)}"`)
  return { xml: `<${name}${written.join('')}>${inside}</${name}>` }
}

export type Xml = { readonly xml: string }

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' }

/** Text as XML holds it; characters that XML 1.0 does not have (§2.2) become U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '\u{FFFD}')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}
