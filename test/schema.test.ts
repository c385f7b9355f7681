import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { it } from 'node:test'
import { describeSchema, SCHEMA_FILE, staleness } from '../tools/schema.ts'
import { aDatabase } from './harness/cluster.ts'

it('schema.sql is what the migrations leave', async () => {
  const kept = await readFile(SCHEMA_FILE, 'utf8')
  assert.equal(staleness(kept, await describeSchema(await aDatabase())), undefined)
})

it('a dump that differs in a line is stale, and that line is named', () => {
  assert.equal(staleness('a\nb\n', 'a\nb\n'), undefined)
  assert.match(staleness('a\nb\n', 'a\nc\n') ?? '', /stale at line 2: it has 'b', the schema has 'c'/)
  assert.match(staleness('', 'a\n') ?? '', /stale at line 1: it has '', the schema has 'a'/)
})
