import { ADDRESS_OWNER, SUBJECT } from '../audit/subject.ts'
import { uuids } from '../database/binary_arrays.ts'
import type { Queryable } from '../database/connection.ts'
import { newUserKey, readStoredText } from '../database/personal_fields.ts'
import type { BookId, UserId } from '../ledger/id.ts'
import { type Hashes, type NamedRow, NO_HASHES } from './leaves.ts'
import { sha256 } from './merkle.ts'

// What users write of their payments, and what the audit log says of them, is sealed as hashes under a key of the user's
// own. A text that is erased leaves its hash (erased_texts), and the key is destroyed: then the block still holds, and
// nobody can try out what the text was. Whose a text is: of a payment, who pays, or who is paid from outside; bonuses and
// adjustments are the house's. Of a line of the audit log, the user that it is about (migration 0067_erasure.sql).

/** What a hash is of: SHA-256 of the key of this one text, hexadecimal, and the text. */
export type Opening = { readonly key: string; readonly text: string }
export type Openings = Readonly<Record<string, Opening>>

export type HashedTexts = { readonly hashes: Hashes; readonly openings: Openings }
export const NO_TEXTS: HashedTexts = { hashes: NO_HASHES, openings: {} }

/** The user whom a line of the audit log is about; null where it is about none. */
export function subjectOf({ action, object_id: objectId, actor_id: actorId }: NamedRow): string | null {
  if (/^(user|otp)\./.test(action ?? '')) return objectId ?? null
  if (/^token\./.test(action ?? '') || action === 'access.refuse') return actorId ?? null
  return null
}

/** Those of the ids (an array in PostgreSQL's binary form) that texts were erased of. */
export async function readErased(client: Queryable, book: BookId, ids: Buffer): Promise<Set<string>> {
  const { rows } = await client.query<{ object_id: string }>({
    name: 'seal-erased',
    text: `
      select e.object_id
        from (select $1::int as book, unnest($2::uuid[]) as id) as wanted
        join erased_texts e on e.book = wanted.book and e.object_id = wanted.id`,
    values: [book, ids],
  })
  return new Set(rows.map(({ object_id: id }) => id))
}

/** Of these payments and lines of the audit log. */
export type Wanted = { readonly payments: readonly string[]; readonly lines: readonly string[] }

type TextRow = {
  id: string
  field: string
  content: Buffer | null
  owner: UserId
  key: Buffer | null
  erased: Buffer | null
}

/**
 * The hashes of the texts that are a user's, by payment or line. `toSeal` makes keys for users who have none yet, in the
 * caller's transaction.
 */
export async function readTexts(
  client: Queryable,
  book: BookId,
  wanted: Wanted,
  toSeal: boolean,
): Promise<Map<string, HashedTexts>> {
  let rows = await readTextRows(client, book, wanted)
  if (toSeal && rows.some(lacksKey)) {
    await makeKeys(client, book, rows.filter(lacksKey))
    rows = await readTextRows(client, book, wanted)
    if (rows.some(lacksKey)) throw new Error('a text of a user who has no key cannot be sealed')
  }
  return new Map([...Map.groupBy(rows, ({ id }) => id)].map(([id, texts]) => [id, hashed(texts)]))
}

async function makeKeys(client: Queryable, book: BookId, rows: readonly TextRow[]): Promise<void> {
  const owners = [...new Set(rows.map(({ owner }) => owner))].sort()
  await client.query({
    name: 'make-user-keys',
    text: `
      insert into user_keys (book, user_id, key)
      select $1, v.* from unnest($2::uuid[], $3::bytea[]) as v
          on conflict (book, user_id) do nothing`,
    values: [book, owners, owners.map(() => newUserKey())],
  })
}

function hashed(texts: readonly TextRow[]): HashedTexts {
  const hashes: Record<string, string | null> = {}
  const openings: Record<string, Opening> = {}
  for (const { id, field, content, key, erased } of texts) {
    if (content === null || !key) {
      hashes[field] = content === null && erased ? erased.toString('hex') : null
      continue
    }
    const own = sha256(Buffer.concat([key, Buffer.from(id.replaceAll('-', ''), 'hex'), Buffer.from(field)]))
    // What cannot be read was changed, and then this is not the hash that was sealed.
    const text = readStoredText(content, key) ?? content.toString('hex')
    hashes[field] = sha256(Buffer.concat([own, Buffer.from(text)])).toString('hex')
    openings[field] = { key: own.toString('hex'), text }
  }
  return { hashes, openings }
}

const lacksKey = ({ content, key }: TextRow) => content !== null && key === null

/** In one statement, so that a text, its key and what was erased of it are of one moment. */
async function readTextRows(client: Queryable, book: BookId, { payments, lines }: Wanted): Promise<TextRow[]> {
  if (payments.length === 0 && lines.length === 0) return []
  const { rows } = await client.query<TextRow>({
    name: 'seal-texts',
    text: `
      with texts as materialized (
        select p.book, p.id, f.field, f.content, text_owner(p.kind, s.user_id, r.user_id) as owner
          from (select $1::int as book, unnest($2::uuid[]) as id) as wanted
          join payments p      on p.book = wanted.book and p.id = wanted.id
          left join accounts s on s.book = p.book and s.id = p.from_account
          left join accounts r on r.book = p.book and r.id = p.to_account
         cross join lateral (values ('description', p.description), ('metadata', p.metadata)) f (field, content)
         union all
        select l.book, l.id, f.field, f.content, ${SUBJECT}
          from (select $1::int as book, unnest($3::uuid[]) as id) as wanted
          join audit_log l on l.book = wanted.book and l.id = wanted.id
         cross join lateral (values ('detail', l.detail), ('address', l.address)) f (field, content)
         where f.field <> 'address' or ${ADDRESS_OWNER} is not null
      )
      select t.id, t.field, t.content, t.owner, k.key, e.hash as erased
        from texts t
        left join user_keys k    on k.book = t.book and k.user_id = t.owner
        left join users u        on u.book = t.book and u.id = t.owner
        left join erased_texts e on e.book = t.book and e.object_id = t.id and e.field = t.field
                                and u.erased_at is not null
       where t.owner is not null`,
    values: [book, uuids(payments), uuids(lines)],
  })
  return rows
}
