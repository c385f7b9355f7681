import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Pool } from '../database/connection.ts'
import type { AccountId, BookId } from '../ledger/id.ts'
import { createDirectory } from './directory.ts'

it('a book has its accounts kept, however many another one has', async () => {
  const [large, small] = [1, 2] as BookId[]
  const asked: AccountId[] = []
  const query = async ({ values: [, ids] }: { values: [BookId, AccountId[]] }) => {
    asked.push(...ids)
    return { rows: ids.map((id) => ({ id, user_id: `of ${id}`, code: null, currency: 'USD', digits: 2, label: id })) }
  }
  const directory = createDirectory({ query } as unknown as Pool)
  await directory.load(
    large as BookId,
    Array.from({ length: 100_000 }, (_, index) => `${index}` as AccountId),
  )
  asked.splice(0)

  for (const id of ['one', 'other', 'one', 'other']) await directory.find(small as BookId, id as AccountId)

  assert.deepEqual(asked, ['one', 'other'])
})
