import { SERVER_ROLE } from '../database/connection.ts'
import type { Check } from './laws.ts'

/** Law 5: of the role that the server has. */
export const PRIVILEGES: Check = {
  law: 5,
  rule: 'the server’s role can neither change nor remove postings, events, lines of the audit log or blocks',
  // A role that it can set, without inheriting from it, counts as its own. Who owns a table grants themselves what they
  // like, and who owns its schema can drop it.
  sql: `
    with roles as (
      select oid from pg_roles where pg_has_role('${SERVER_ROLE}', oid, 'member')
    ), tables as (
      select unnest(array['postings', 'audit_log', 'blocks', 'seal_keys']::regclass[]) as name
       union all
      -- Each day's table can be granted by itself.
      select relid from pg_partition_tree('events')
    )
    select null::uuid as account, null::uuid as payment, null::uuid as posting, null as currency, null::smallint as digits,
           'no such privilege' as expected, privilege || ' on ' || name as found
      from tables, unnest(array['update', 'delete', 'truncate']) as privilege
     where exists (
             select from roles role
              where has_table_privilege(role.oid, name, privilege)
                 or privilege = 'update' and has_any_column_privilege(role.oid, name, privilege))
     union all
    select null, null, null, null, null, 'no such privilege', 'ownership of ' || name
      from tables
      join pg_class c on c.oid = name
     where c.relowner in (select oid from roles)
     union all
    select distinct null::uuid, null::uuid, null::uuid, null, null::smallint, 'no such privilege',
           'ownership of the schema ' || n.nspname
      from tables
      join pg_class c     on c.oid = name
      join pg_namespace n on n.oid = c.relnamespace
     where n.nspowner in (select oid from roles)`,
}
