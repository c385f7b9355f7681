import { type Queryable, together } from './connection.ts'

type Statement = { readonly name: string; readonly text: string; readonly values: readonly unknown[] }

/** What each list of statements is as one, by their names: the same on every connection. */
const known = new Map<string, Pick<Statement, 'name' | 'text'>>()

/**
 * Sends as one what `write` writes with the client that it is given: a message, a plan and an answer less for each. It
 * writes all of it before it waits for any, and to another table each time: there is no order between the statements, and
 * none sees what another did.
 */
export function inOne(client: Queryable, write: (gathered: Queryable) => readonly Promise<unknown>[]): Promise<void> {
  const statements: Statement[] = []
  const { promise: written, resolve: send } = Promise.withResolvers<unknown>()
  const query = (statement: Statement) => {
    statements.push(statement)
    return written
  }
  const writing = write({ query } as unknown as Queryable)
  send(statements.length > 0 ? client.query(asOne(statements)) : undefined)
  return together(writing)
}

function asOne(statements: readonly Statement[]): Statement & { values: unknown[] } {
  const key = statements.map(({ name }) => name).join()
  let one = known.get(key)
  if (!one) {
    one = { name: `in-one-${known.size}`, text: joined(statements) }
    known.set(key, one)
  }
  return { ...one, values: statements.flatMap(({ values }) => values) }
}

/** `with w0 as (…), w1 as (…) …`, the parameters of each counted on from those before. */
function joined(statements: readonly Statement[]): string {
  let before = 0
  const texts = statements.map(({ text, values }) => {
    const first = before
    before += values.length
    return text.replace(/\$(\d+)/g, (_, number: string) => `$${first + Number(number)}`)
  })
  const last = texts.pop() ?? ''
  const others = texts.map((text, index) => `w${index} as (${text})`)
  return others.length > 0 ? `with ${others.join(', ')} ${last}` : last
}
