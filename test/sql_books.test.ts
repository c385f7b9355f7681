import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'

// A book is a world of its own: no statement reads or writes a table of the books without saying in which one.

const TABLES = [
  ...['second_factors', 'recovery_codes', 'email_changes'],
  ...['accounts', 'payments', 'postings', 'initiated', 'events', 'idempotency_keys', 'audit_log', 'currencies'],
  ...['users', 'tokens', 'mail_tokens', 'session_changes', 'operations', 'account_payments', 'rates', 'quotes'],
  'holds',
  'schedules',
  ...['webhooks', 'webhook_deliveries', 'webhook_attempts', 'webhook_cursors'],
  'user_events',
  'posting_totals',
  ...['bank_files', 'bank_statements', 'bank_entries', 'wire_batches', 'wire_batch_payments'],
  ...['blocks', 'seal_keys'],
  'rail_instructions',
  'suspense_items',
  ...['fee_schedules', 'rule_versions', 'payment_limits', 'limit_turns'],
  'approvals',
  ...['user_keys', 'erased_texts', 'erasures', 'being_erased'],
]

/** Statements that name no book, by file and their beginning, each with why it may. */
const EXCEPTIONS = [
  { file: 'src/http/routes/health.ts', begins: 'select from payments limit 0', why: 'reads no row' },
  {
    file: 'src/http/idempotency.ts',
    begins: 'delete from idempotency_keys k',
    why: 'what has expired goes in whatever book it is',
  },
  {
    file: 'src/identity/sessions.ts',
    begins: 'select c.book, c.user_id, c.changed_at',
    why: 'a node serves all books, and looks for the changes of all of them at once',
  },
  {
    file: 'src/payments/list.ts',
    begins: '(select i.book, i.payment_id as id from initiated i',
    why: 'the scope of the list says the book, and PostgreSQL takes it into each part',
  },
  {
    file: 'src/payments/list.ts',
    begins: '(select i.from_account as account_id',
    why: 'the same, of accounts',
  },
  {
    file: 'src/database/migrations/0001_books_and_payments.sql',
    begins: 'create view',
    why: 'a view has `book` as a column; who reads it says which',
  },
  {
    file: 'src/database/migrations/0002_holds_refunds_and_conversions.sql',
    begins: 'create or replace view',
    why: 'the same view, with the columns that are new',
  },
  {
    file: 'src/database/migrations/0040_schedules.sql',
    begins: 'create or replace view',
    why: 'the same view, with the columns that are new',
  },
  {
    file: 'src/database/migrations/0094_texts_of_users.sql',
    begins: 'create view',
    why: 'the same view, made again',
  },
  {
    file: 'src/database/migrations/0098_viewers_of_events.sql',
    begins: 'create view',
    why: 'a view has `book` as a column; who reads it says which',
  },
  ...['insert into user_keys', 'update'].map((begins) => ({
    file: 'src/database/migrations/0093_personal_fields.sql',
    begins,
    why: 'what was there is encrypted in all books, each row under the key of its own user',
  })),
]

type Statement = { readonly file: string; readonly sql: string }

describe('SQL', () => {
  const statements = [...globSync('src/**/*.ts'), ...globSync('src/**/*.sql')]
    .filter((file) => !file.endsWith('.test.ts'))
    .sort()
    .flatMap(statementsOf)

  it('on tables of the books says in which book', () => {
    const wrong = statements.flatMap((statement) => {
      const tables = tablesWithoutBook(statement.sql)
      if (tables.length === 0 || EXCEPTIONS.some((exception) => isOf(exception, statement))) return []
      return [`${statement.file} does not say the book of ${tables.join(', ')} in: ${statement.sql}`]
    })
    assert.deepEqual(wrong, [])
  })

  it('is read where it stands: the exceptions are all there, and most statements are on tables of the books', () => {
    for (const exception of EXCEPTIONS) assert.ok(statements.some((statement) => isOf(exception, statement)))
    const found = statements.filter(({ sql }) => tablesOf(sql).length > 0)
    assert.ok(found.length >= 40, `only ${found.length} statements were found`)
  })

  for (const { title, sql, tables } of [
    { title: 'no book', sql: 'select id from payments where id = $1', tables: ['payments'] },
    { title: 'a book as a column only', sql: 'select book, id from payments', tables: ['payments'] },
    { title: 'a condition', sql: 'select id from payments p where p.book = $1', tables: [] },
    { title: 'another table’s book', sql: 'select from payments p, users u where u.book = $1', tables: ['payments p'] },
    {
      title: 'a join without it',
      sql: 'select from payments p join users u on u.id = p.made_by where p.book = $1',
      tables: ['users u'],
    },
    { title: 'an insert with it', sql: 'insert into events (book, id) values ($1, $2)', tables: [] },
    { title: 'an insert without it', sql: 'insert into events (id) values ($1)', tables: ['events'] },
    { title: 'an update without it', sql: 'update accounts set name = $1 where id = $2', tables: ['accounts'] },
    { title: 'a delete without it', sql: 'delete from initiated where payment_id = $1', tables: ['initiated'] },
    { title: 'all books, one by one', sql: 'select book, sum(balance) from accounts group by book', tables: [] },
  ]) {
    it(`with ${title} ${tables.length === 0 ? 'passes' : 'is refused'}`, () => {
      assert.deepEqual(tablesWithoutBook(sql), tables)
    })
  }

  it('of every list keeps to the book that the caller acts in', () => {
    const scopes = globSync('src/**/*.ts').flatMap((file) => {
      const text = readFileSync(file, 'utf8')
      return [...text.matchAll(/\bwhere: (?:`([^`]*)`|'([^']*)')/g)].map((match) => ({
        file,
        where: match[1] ?? match[2] ?? '',
      }))
    })
    assert.ok(scopes.length >= 8, `only ${scopes.length} lists were found`)
    for (const { file, where } of scopes)
      assert.match(where, /^([a-z]|\$\{rows\})\.book = \$1\b/, `the list in ${file}`)
  })
})

function isOf({ file, begins }: { file: string; begins: string }, statement: Statement): boolean {
  return statement.file === file && statement.sql.startsWith(begins)
}

/** The tables of the books that a statement touches, each with its alias. */
function tablesOf(sql: string): { table: string; alias: string | undefined; verb: string }[] {
  const touched = new RegExp(
    `\\b(from|join|into|update|only|,)\\s+(?:public\\.)?(${TABLES.join('|')})\\b(?!\\s*\\.)(?:\\s+(?:as\\s+)?([a-z]\\w*))?`,
    'g',
  )
  const words = /^(as|cross|for|group|inner|join|left|limit|natural|on|order|set|tablesample|union|using|values|where)$/
  return [...sql.matchAll(touched)].flatMap(([, verb = '', table = '', alias]) => {
    const isColumn = verb === ',' && !/\bfrom\b[^()]*$/.test(sql.slice(0, sql.indexOf(`, ${table}`)))
    return isColumn ? [] : [{ table, verb, alias: alias !== undefined && words.test(alias) ? undefined : alias }]
  })
}

function tablesWithoutBook(sql: string): string[] {
  return tablesOf(sql)
    .filter(({ verb, alias }) => {
      if (verb === 'into') return !/\binto\s+\w+\s*\([^)]*\bbook\b/.test(sql)
      // `book = …`, `… = book`, `(book, …) > …`, or all books in groups or in their order.
      const book = alias === undefined ? '(?<![\\w.])book' : `(?<![\\w.])${alias}\\.book`
      const says = `${book}\\s*(=|in\\b|>|is\\b)|=\\s*${book}\\b|\\(${book}\\b[^()]*\\)\\s*[<>=]|\\bby\\s+${book}\\b`
      return !new RegExp(says).test(sql)
    })
    .map(({ table, alias }) => (alias === undefined ? table : `${table} ${alias}`))
}

function statementsOf(path: string): Statement[] {
  const file = path.replaceAll('\\', '/')
  const text = readFileSync(join(import.meta.dirname, '..', path), 'utf8')
  const parts = file.endsWith('.sql') ? text.replace(/--.*$/gm, '').split(';') : literalsOf(text)
  return parts.map((sql) => ({ file, sql: sql.replace(/--.*$/gm, '').replace(/\s+/g, ' ').trim().toLowerCase() }))
}

/** The string and template literals of a program, without its comments; what a template puts in is read on its own. */
function literalsOf(text: string): string[] {
  const literals: string[] = []
  const regexMayFollow = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\breturn)\s*$/
  let index = 0

  function quoted(quote: string): string {
    const start = ++index
    while (index < text.length && text[index] !== quote) index += text[index] === '\\' ? 2 : 1
    return text.slice(start, index++)
  }

  function template(): string {
    let literal = ''
    index += 1
    while (index < text.length && text[index] !== '`') {
      if (text.startsWith('${', index)) {
        index += 2
        code(true)
        literal += ' … '
      } else {
        const length = text[index] === '\\' ? 2 : 1
        literal += text.slice(index, index + length)
        index += length
      }
    }
    index += 1
    return literal
  }

  function regex(): void {
    let inClass = false
    for (index += 1; index < text.length && (inClass || text[index] !== '/'); index += 1) {
      if (text[index] === '\\') index += 1
      else if (text[index] === '[') inClass = true
      else if (text[index] === ']') inClass = false
    }
    index += 1
  }

  /** Up to the end, or to the brace that closes what a template puts in. */
  function code(inTemplate: boolean): void {
    let depth = 0
    while (index < text.length) {
      const character = text[index]
      if (character === "'" || character === '"') literals.push(quoted(character))
      else if (character === '`') literals.push(template())
      else if (text.startsWith('//', index)) index = (text.indexOf('\n', index) + 1 || text.length + 1) - 1
      else if (text.startsWith('/*', index)) index = text.indexOf('*/', index) + 2
      else if (character === '/' && regexMayFollow.test(text.slice(Math.max(0, index - 40), index))) regex()
      else {
        if (character === '{') depth += 1
        else if (character === '}' && inTemplate && depth-- === 0) return void index++
        index += 1
      }
    }
  }

  code(false)
  return literals
}
