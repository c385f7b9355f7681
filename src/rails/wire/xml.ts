import { isUtf8 } from 'node:buffer'
import { XMLParser, XMLValidator } from 'fast-xml-parser'

// The XML of banks, read with suspicion: no document type, no entities but the five of XML itself, and bounds for all
// that a small file could make grow.

/** The largest file that is read, in bytes. */
export const LARGEST_FILE = 32 * 1024 * 1024
const MOST_TAGS = 4_000_000
const DEEPEST = 40
const LONGEST_TEXT = 2_000

/** What is wrong with a file, as a sentence whose subject is the file. Thrown while reading, and caught by who reads. */
export class BrokenFile extends Error {
  override readonly name = 'BrokenFile'
}

/** Gives up on the file; what is said reads on from 'The file …'. */
export function broken(problem: string): never {
  throw new BrokenFile(problem)
}

type Node = string | { readonly [name: string]: Node | readonly Node[] }

/** An element by its name and content; how it was asked for makes the path that errors name. */
export type Element = { readonly path: string; readonly node: Node }

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  removeNSPrefix: true,
  ignoreDeclaration: true,
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: false,
  maxNestedTags: DEEPEST,
})

/** The root element and its namespace. Throws BrokenFile. */
export function readXml(bytes: Buffer): { readonly namespace: string; readonly root: Element } {
  if (bytes.length > LARGEST_FILE) broken('is larger than 32 MiB')
  if (!isUtf8(bytes)) broken('is not in UTF-8')
  const text = bytes.toString().replace(/^\uFEFF/, '')
  refuseTricks(text)
  const checked = XMLValidator.validate(text)
  if (checked !== true) broken(`is not well-formed XML: ${checked.err.msg.slice(0, 200)} (line ${checked.err.line})`)
  const { name, namespace } = rootOf(text)
  let document: Record<string, Node>
  try {
    document = parser.parse(text)
  } catch (error) {
    return broken(`cannot be read: ${error instanceof Error ? error.message.slice(0, 200) : 'it is broken'}`)
  }
  const node = document[name]
  if (node === undefined) broken('has no root element')
  return { namespace, root: { path: name, node } }
}

/** What no bank needs, and what an attacker does. */
function refuseTricks(text: string): void {
  if (/<!(?!--)/.test(text)) broken('has a document type, an entity or a CDATA section')
  if (/<\?(?!xml\s)/.test(text) || text.indexOf('<?', 2) !== -1) broken('has a processing instruction')
  if (/&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[\da-fA-F]{1,6});)/.test(text)) broken('has an entity')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 §2.2 forbids them, and no database stores the first
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text)) broken('has a character that XML forbids')
  if (/<[^<>]{5000}/.test(text.replaceAll(/<!--[\s\S]*?-->/g, ''))) broken('has too long a tag')
  let tags = 0
  for (let at = text.indexOf('<'); at !== -1; at = text.indexOf('<', at + 1)) tags += 1
  if (tags > MOST_TAGS) broken('has too many elements')
}

/** The name and the namespace of the root, which has to be the namespace of all: its prefix is whatever the bank likes. */
function rootOf(text: string): { readonly name: string; readonly namespace: string } {
  const root = /<(?![!?])(?:([\w.-]+):)?([\w.-]+)([^>]*)>/.exec(text.slice(startOfRoot(text)))
  if (root?.index !== 0) return broken('has no root element')
  const [whole, prefix, name = '', attributes = ''] = root
  const rest = text.slice(startOfRoot(text) + whole.length)
  if (/\sxmlns(?::[\w.-]+)?\s*=/.test(rest)) broken('has a second namespace')
  const prefixed = new RegExp(`<(?!/?${prefix === undefined ? '' : `${escaped(prefix)}:`}[^\\s:<>]*[\\s/>]|!)`)
  if (prefixed.test(rest)) broken('has elements of another namespace')
  const declared = prefix === undefined ? 'xmlns' : `xmlns:${escaped(prefix)}`
  const value = new RegExp(`(?:^|\\s)${declared}\\s*=\\s*(?:"([^"]*)"|'([^']*)')`).exec(attributes)
  return { name, namespace: value?.[1] ?? value?.[2] ?? '' }
}

function startOfRoot(text: string): number {
  let at = text.indexOf('<', text.startsWith('<?xml') ? 5 : 0)
  while (text.startsWith('<!--', at)) at = text.indexOf('<', text.indexOf('-->', at))
  return at
}

function escaped(prefix: string): string {
  return prefix.replaceAll('.', '\\.')
}

/** All elements of that name in the element. */
export function all(element: Element, name: string): Element[] {
  if (typeof element.node === 'string') return []
  const found = Object.hasOwn(element.node, name) ? element.node[name] : undefined
  if (found === undefined) return []
  if (!Array.isArray(found)) return [{ path: `${element.path}/${name}`, node: found as Node }]
  return found.map((node: Node, index) => ({ path: `${element.path}/${name}[${index + 1}]`, node }))
}

/** The element at a path such as `Acct/Id`, or undefined. Throws BrokenFile where one of them is there twice. */
export function find(element: Element, path: string): Element | undefined {
  let at: Element | undefined = element
  for (const name of path.split('/')) {
    const found: Element[] = all(at, name)
    if (found.length > 1) return broken(`has more than one ${at.path}/${name}`)
    at = found[0]
    if (!at) return undefined
  }
  return at
}

/** The element at a path. Throws BrokenFile where it is missing. */
export function need(element: Element, path: string): Element {
  return find(element, path) ?? broken(`has no ${element.path}/${path}`)
}

/** The text of an element, trimmed and with its entities written out. Throws BrokenFile where it has elements or too much. */
export function textOf({ path, node }: Element): string {
  const raw = typeof node === 'string' ? node : (node['#text'] ?? '')
  const hasElements = typeof node !== 'string' && Object.keys(node).some((name) => name !== '#text' && name[0] !== '@')
  if (typeof raw !== 'string' || hasElements) return broken(`has elements where ${path} has its text`)
  if (raw.length > LONGEST_TEXT) return broken(`has too long a ${path}`)
  return decode(raw, path).trim()
}

/** The text at a path; undefined where it is missing or empty. */
export function findText(element: Element, path: string): string | undefined {
  const found = find(element, path)
  return (found && textOf(found)) || undefined
}

/** The text at a path. Throws BrokenFile where it is missing or empty. */
export function needText(element: Element, path: string): string {
  return textOf(need(element, path)) || broken(`has an empty ${element.path}/${path}`)
}

/** An attribute, or undefined. */
export function attribute({ node }: Element, name: string): string | undefined {
  if (typeof node === 'string') return undefined
  const value = Object.hasOwn(node, `@${name}`) ? node[`@${name}`] : undefined
  return typeof value === 'string' ? value : undefined
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function decode(text: string, path: string): string {
  return text.replaceAll(/&(#x?)?(\w+);/g, (_, number: string | undefined, name: string) => {
    if (number === undefined) return NAMED[name] ?? broken(`has an entity in ${path}`)
    const code = Number.parseInt(name, number === '#x' ? 16 : 10)
    const allowed =
      code === 0x9 ||
      code === 0xa ||
      code === 0xd ||
      (code >= 0x20 && code <= 0xd7ff) ||
      (code >= 0xe000 && code <= 0x10ffff)
    return allowed ? String.fromCodePoint(code) : broken(`has a character that XML forbids in ${path}`)
  })
}
