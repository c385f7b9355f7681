import type { BankFile } from './bank_file.ts'
import { readCamt } from './camt.ts'
import type { OrderAnswer } from './order_answer.ts'
import { readAnswer } from './pain_answer.ts'
import { BrokenFile, broken, readXml } from './xml.ts'

export type ParsedFile =
  | { readonly ok: true; readonly file: BankFile | OrderAnswer }
  /** `problem` reads on from 'The file …'. */
  | { readonly ok: false; readonly problem: string }

const NAMESPACE = /^urn:iso:std:iso:20022:tech:xsd:(camt\.05[34]|pain\.002)\.001\.(\d\d)$/

/**
 * Reads a statement, a notice, or an answer to an order, as a bank sends it. Not ok where it is no such file, has a document
 * type or entities, is too large or too deep, mixes currencies, or says what cannot be: sums that do not come out.
 */
export function parseBankFile(bytes: Buffer): ParsedFile {
  try {
    const { namespace, root } = readXml(bytes)
    const [, message = '', version = ''] = NAMESPACE.exec(namespace) ?? []
    const file =
      root.path === 'Document' ? (readCamt(message, version, root) ?? readAnswer(message, version, root)) : null
    return {
      ok: true,
      file: file ?? broken('is no camt.053 or camt.054 in the versions 02 to 08, and no pain.002 in 03 or 10'),
    }
  } catch (error) {
    if (error instanceof BrokenFile) return { ok: false, problem: error.message }
    throw error
  }
}
