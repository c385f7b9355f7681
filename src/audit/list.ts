import type { ListSpec, Scope } from '../database/list.ts'
import * as fields from '../database/list_fields.ts'
import { shownAddress } from '../database/personal_fields.ts'
import type { AuditId, BookId, Id, TokenId, UserId } from '../ledger/id.ts'
import { decodeId } from '../ledger/typeid.ts'
import { ADDRESS, DETAIL } from './subject.ts'

/** A line of the audit log as it stands. */
export type AuditLine = {
  readonly id: AuditId
  readonly actor_id: UserId | null
  readonly actor: string | null
  readonly token_id: TokenId | null
  readonly action: string
  readonly object_id: Id<string> | null
  readonly detail: Readonly<Record<string, unknown>>
  readonly address: string | null
  readonly request_id: string | null
  readonly created_at: string
}

/** The audit log of a book. Index: the primary key. */
export const auditLog: ListSpec<AuditLine, AuditLine> = {
  fields: {
    id: { sql: 'l.id', kind: fields.id((text) => decodeId('aud', text), 'an id such as aud_…'), carried: 'id' },
    actor_id: {
      sql: 'l.actor_id',
      kind: fields.id((text) => decodeId('usr', text), 'an id such as usr_…'),
      nullable: true,
    },
    actor: { sql: shownAddress('u'), kind: fields.text, nullable: true },
    token_id: {
      sql: 'l.token_id',
      kind: fields.id((text) => decodeId('tok', text), 'an id such as tok_…'),
      nullable: true,
    },
    action: { sql: 'l.action', kind: fields.text },
    object_id: { sql: 'l.object_id', kind: fields.id(objectId, 'an id such as acc_…'), nullable: true },
    // As its JSON, with a blank behind each colon and comma.
    detail: { sql: DETAIL, kind: fields.text },
    address: { sql: ADDRESS, kind: fields.text, nullable: true },
    request_id: { sql: 'l.request_id', kind: fields.text, nullable: true },
    created_at: { sql: 'l.created_at', kind: fields.time, carried: 'created_at' },
  },
  table: 'audit_log l',
  joins: 'left join users u on u.book = l.book and u.id = l.actor_id',
  key: [{ sql: 'l.id', cast: 'uuid' }],
  show: `join audit_log l on l.book = $1 and l.id = page.key0 left join users u on u.book = l.book and u.id = l.actor_id`,
  columns: `l.id, l.actor_id, ${shownAddress('u')} as actor, l.token_id, l.action, l.object_id,
    ${DETAIL}::jsonb as detail, ${ADDRESS} as address, l.request_id, l.created_at`,
  toItem: (row) => row,
}

/** What an action was done to. */
function objectId(text: string): Id<string> | undefined {
  const known = (['acc', 'pay', 'rat', 'usr', 'fee', 'lim', 'sch', 'tok', 'bkf', 'bke', 'wbt', 'apr'] as const).map(
    (prefix) => decodeId(prefix, text),
  )
  return known.find((id) => id !== undefined)
}

/** What is a user's: accounts, tokens, schedules, webhooks and adjustments that wait for approval. */
const OBJECTS_OF_USER = `
  select a.id from accounts a where a.book = $1 and a.user_id = $2
  union all select t.id from tokens t where t.book = $1 and t.user_id = $2
  union all select s.id from schedules s where s.book = $1 and s.user_id = $2
  union all select w.id from webhooks w where w.book = $1 and w.user_id = $2
  union all select r.id from approvals r join accounts a on a.book = r.book and a.id = r.account_id
             where r.book = $1 and a.user_id = $2`

/** What users did and what was done to them, to what is theirs, and to their payments. */
export function auditAbout(book: BookId, userId: UserId): Scope {
  return {
    where: 'l.book = $1',
    showing: `(l.actor_id = $2 or l.object_id = $2
               or l.object_id in (${OBJECTS_OF_USER})
               or exists (select from payments p
                            join accounts a on a.book = p.book and a.id in (p.from_account, p.to_account)
                           where p.book = $1 and p.id = l.object_id and a.user_id = $2))`,
    values: [book, userId],
  }
}

export function auditIn(book: BookId): Scope {
  return { where: 'l.book = $1', values: [book] }
}
