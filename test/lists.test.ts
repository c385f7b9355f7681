import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { Client } from './harness/client.ts'
import { parseCsv } from './harness/csv.ts'
import { type Operation, readOperations, valueAt } from './harness/document.ts'
import { aGatewayWithEverything, type Everything } from './harness/everything.ts'
import { assertProblem, everyPage } from './harness/paying.ts'

// What is promised of every list, of each that the OpenAPI document has: a new one is held to it by being there.

type List = {
  readonly path: string
  /** Of very many rows those to look at. */
  readonly some: string
  readonly caller: Client
  readonly operation: Operation
  readonly fields: any
}

let all: Everything
let lists: List[]

before(async () => {
  all = await aGatewayWithEverything()
  const operations = await readOperations(all.gateway)
  lists = operations
    .filter(({ method, query }) => method === 'GET' && query.includes('cursor'))
    .map((operation) => ({
      path: operation.path.replace('{id}', all.webhook),
      some: SOME[operation.path] ?? '',
      caller: operation.isAdmin ? all.operator : all.ada,
      operation,
      fields: operation.raw.responses[200].content['application/json'].schema.properties.data.items.properties,
    }))
  assert.ok(lists.length >= 24, `${lists.length} lists`)
})

/** Each book has hundreds of currencies, with technical accounts in each. */
const SOME: Record<string, string> = {
  '/v1/admin/accounts': 'currency[in]=USD,EUR&',
  '/v1/admin/currencies': 'code[like]=US&',
}

const NOT_FILTERS = ['limit', 'cursor', 'sort', 'format', 'fields', 'expand']
const filtersOf = ({ operation }: List) => operation.query.filter((name) => !NOT_FILTERS.includes(name))
/** Written by the gateway in the background, so that it may differ between two readings. */
const MOVING = ['last_used_at']
/**
 * Lists of objects have no order. An object is looked into by its fields, `metadata` by its keys; of what events tell of
 * only what never changes, and of an attempt no headers.
 */
const WITHIN = ['metadata', 'tiers', 'suggestions', 'statements']
const NOT_ASKED_FOR = ['data.object', 'last_attempt.request_headers', 'last_attempt.answer_headers']

/** The fields of rows by their names, those of objects within them too. */
function namesIn(fields: Record<string, any>, within = ''): string[] {
  return Object.entries(fields).flatMap(([name, schema]) => {
    const inside = schema.properties ?? schema.anyOf?.find((each: any) => each.properties)?.properties
    return inside ? namesIn(inside, `${within}${name}.`) : [within + name]
  })
}

const rowsOf = (list: List, query = '') => everyPage(list.caller, `${list.path}?${list.some}${query}`)
const few = (rows: readonly any[]) => [...rows.slice(0, 4), ...rows.slice(-2)]
const keyOf = (row: any) => JSON.stringify(row.id ?? row.code ?? row.payment_id)
/** What a value is equal to: of several words each, of which this is one. */
const textOf = (value: any) => String(Array.isArray(value) ? value.at(-1) : value)
const textsOf = (value: any) => [value].flat().map(String)

async function eachList(work: (list: List) => Promise<void>): Promise<void> {
  for (const list of lists) await work(list)
}

describe('every list', () => {
  it('has every field of its rows to filter and sort by', () =>
    eachList(async (list) => {
      const rows = await rowsOf(list)
      assert.ok(rows.length > 0, `${list.path}: nothing was made for it`)
      const known = filtersOf(list)
      const missing = namesIn(list.fields).filter(
        (field) => !known.includes(field) && !WITHIN.includes(field) && !NOT_ASKED_FOR.includes(field),
      )
      assert.deepEqual(missing, [], list.path)
    }))

  it('finds by a field’s value the rows that have it and no others, and those that have another', () =>
    eachList(async (list) => {
      const rows = await rowsOf(list)
      const check = async (field: string) => {
        const given = rows.map((row) => valueAt(row, field)).find((value) => value !== null && value !== undefined)
        if (given === undefined || MOVING.includes(field) || field === 'detail') return
        const value = textOf(given)
        const told = `${list.path} ${field}=${value}`
        const found = await rowsOf(list, `${field}=${encodeURIComponent(value)}`)
        const has = (row: any) => textsOf(valueAt(row, field)).includes(value)
        // An amount of another currency may be as much, written with other digits.
        assert.ok(
          found.every((row) => has(row) || Number(valueAt(row, field)) === Number(value)),
          told,
        )
        const keys = new Set(found.map(keyOf))
        for (const row of rows.filter(has)) assert.ok(keys.has(keyOf(row)), told)
        const others = await rowsOf(list, `${field}[ne]=${encodeURIComponent(value)}`)
        assert.equal(found.length + others.length, rows.length, told)
      }
      await Promise.all(filtersOf(list).map(check))
    }))

  it('has in the order of each field every row once', () =>
    eachList(async (list) => {
      const keys = (await rowsOf(list)).map(keyOf).sort()
      const check = async (field: string) => {
        const sorted = await rowsOf(list, `sort=-${field}`)
        assert.deepEqual(sorted.map(keyOf).sort(), keys, `${list.path} sort=-${field}`)
      }
      await Promise.all([...filtersOf(list), ...(list.fields.metadata ? ['metadata'] : [])].map(check))
    }))

  it('takes its cursors with the filters and the order that they were given for, and refuses them with others', () =>
    eachList(async (list) => {
      const { path, caller } = list
      const { body } = await caller.get(`${path}?limit=1&sort=-created_at`)
      const query = Object.hasOwn(list.fields, 'created_at') ? 'sort=-created_at' : ''
      const first = query ? body : (await caller.get(`${path}?limit=1`)).body
      if (first.next_cursor === null) return
      const next = `cursor=${encodeURIComponent(first.next_cursor)}`
      assert.equal((await caller.get(`${path}?${query}&${next}`)).status, 200, path)
      const [field = ''] = filtersOf(list)
      for (const other of [
        `sort=${field}`,
        `${query}&${field}[ne]=${encodeURIComponent(textOf(valueAt(first.data[0], field)))}`,
      ]) {
        assertProblem(await caller.get(`${path}?${other}&${next}`), 'invalid_query')
      }
    }))

  it('refuses a cursor that somebody changed to a time that is none', () =>
    eachList(async ({ path, caller, fields }) => {
      const times = Object.keys(fields).filter((name) => JSON.stringify(fields[name]).includes('date-time'))
      for (const field of times) {
        const { body, status } = await caller.get(`${path}?limit=1&sort=-${field}`)
        if (status !== 200 || body.next_cursor === null) continue
        const values = JSON.parse(Buffer.from(body.next_cursor, 'base64url').toString())
        const changed = values.map((value: unknown) =>
          typeof value === 'string' ? value.replace(/^\d{4}-\d{2}-\d{2} .*$/, '2026-13-45 25:61:61+00') : value,
        )
        if (JSON.stringify(changed) === JSON.stringify(values)) continue
        const cursor = Buffer.from(JSON.stringify(changed)).toString('base64url')
        assertProblem(await caller.get(`${path}?limit=1&sort=-${field}&cursor=${cursor}`), 'invalid_query')
      }
    }))

  it('has an ETag, and is a 304 to whoever has it', () =>
    eachList(async ({ path, caller, fields }) => {
      const page = `${path}?limit=2&fields=${Object.keys(fields)[0]}`
      const { headers } = await caller.get(page)
      const etag = headers.get('etag') ?? ''
      assert.equal(headers.get('vary'), 'authorization, book, origin')
      assert.match(etag, /^"/, path)
      assert.equal((await caller.get(page, { 'if-none-match': etag })).status, 304, path)
    }))

  it('shows of its rows the fields that are asked for, and refuses what there is not', () =>
    eachList(async ({ path, caller, fields }) => {
      const [first = '', ...others] = Object.keys(fields)
      const picked = [others.at(-1) ?? first, first]
      const { body } = await caller.get(`${path}?limit=2&fields=${picked}`)
      for (const row of body.data) assert.deepEqual(Object.keys(row), picked, path)
      assertProblem(await caller.get(`${path}?fields=${first},surprise`), 'invalid_query')
    }))

  it('expands every payment and account that its rows name, as their own calls show them, and shows the rows as without', () =>
    eachList(async ({ path, caller, operation, fields }) => {
      const names = Object.entries<any>(fields).flatMap(([field, schema]) => {
        const format = schema.format ?? schema.anyOf?.find((each: any) => each.format)?.format
        return field !== 'id' && (format === 'acc_id' || format === 'pay_id') ? [field] : []
      })
      assert.equal(operation.query.includes('expand'), names.length > 0, `${path}: ${names}`)
      if (names.length === 0) return
      const expansions = names.map((name) => name.replace(/_id$/, ''))
      const rows = await everyPage(caller, `${path}?expand=${expansions}`)
      const shown = (await caller.get(`${path}?limit=1`)).body.data[0]
      assert.deepEqual(Object.keys(rows[0]).sort(), [...Object.keys(shown), 'expanded'].sort(), path)
      for (const [index, field] of names.entries()) {
        const name = expansions[index] ?? ''
        for (const row of few(rows)) {
          const thing = row.expanded[name]
          if (row[field] === null) assert.equal(thing, null, `${path} ${name}`)
          else if (operation.isAdmin) assert.equal(thing.id, row[field], `${path} ${name}`)
          if (thing === null) continue
          const kind = thing.id.startsWith('pay_') ? 'payments' : 'accounts'
          assert.deepEqual(thing, (await caller.get(`/v1/${kind}/${thing.id}`)).body, `${path} ${name}`)
        }
        const named = rows.some((row) => row[field] !== null)
        assert.equal(
          rows.some(({ expanded }) => expanded[name] !== null),
          named,
          `${path} ${name}`,
        )
      }
      assertProblem(await caller.get(`${path}?expand=surprise`), 'invalid_query')
    }))

  it('is exported whole and with the fields of its pages, as CSV and as NDJSON', () =>
    eachList(async ({ path, some, caller, fields }) => {
      const pages = await everyPage(caller, `${path}?${some}`)
      const { body: lines } = await caller.get(`${path}?${some}format=ndjson`)
      const text = typeof lines === 'string' ? lines : JSON.stringify(lines)
      const exported = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      assert.deepEqual(exported.map(keyOf), pages.map(keyOf), path)
      for (const [index, row] of exported.entries())
        assert.deepEqual(Object.keys(row).sort(), Object.keys(pages[index]).sort(), path)
      const records = parseCsv((await caller.get(`${path}?${some}format=csv`)).body)
      assert.equal(records.length, pages.length + 1, path)
      assert.deepEqual(records[0], Object.keys(fields), path)
    }))

  it('says in a refusal which fields there are', () =>
    eachList(async ({ path, caller }) => {
      const answer = await caller.get(`${path}?surprise=1`)
      assertProblem(answer, 'invalid_query')
      assert.match(answer.body.errors[0].detail, /fields are (id|position|code|payment_id), /, path)
    }))
})
