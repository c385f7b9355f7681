-- What users write of their payments, and what the audit log says of them, is encrypted under their keys as well.

-- A text as it is kept: its first byte says how. 1: encrypted under the key of whoever it is of. 0: as it is, where it is
-- of the house, or of somebody without a key in this book, such as an operator of all books.
create function stored_text(of_book integer, of_user uuid, content text) returns bytea
  language sql volatile
  return coalesce('\x01'::bytea || encrypted(of_book, of_user, content), '\x00'::bytea || convert_to(content, 'UTF8'));

create function shown_text(of_book integer, of_user uuid, content bytea) returns text
  language sql stable
  return case get_byte(content, 0) when 0 then convert_from(substr(content, 2), 'UTF8')
                                   else decrypted(of_book, of_user, substr(content, 2)) end;

-- Whose the texts of a payment are: of who pays, or of who is paid from outside; bonuses and adjustments are the house's.
create function text_owner(kind text, sender uuid, receiver uuid) returns uuid
  language sql immutable
  return case when kind not in ('bonus', 'adjustment') then coalesce(sender, receiver) end;

-- Whom a line of the audit log is about; null where it is about none.
create function line_subject(action text, object_id uuid, actor_id uuid) returns uuid
  language sql immutable
  return case when action like 'user.%' or action like 'otp.%' then object_id
              when action like 'token.%' or action = 'access.refuse' then actor_id end;

-- Whose the address is that a line was written from: of whom it is about, if they did it themselves, or nobody who logged in.
create function address_owner(subject uuid, actor_id uuid) returns uuid
  language sql immutable
  return case when actor_id is null or actor_id = subject then subject end;

revoke all on function stored_text, shown_text, text_owner, line_subject, address_owner from public;
grant execute on function stored_text, shown_text, text_owner, line_subject, address_owner to billing_gateway;

drop view account_payments;
alter table payments
  alter column metadata drop default,
  alter column metadata drop not null,
  alter column description type bytea using stored_text(book, null, description),
  alter column metadata    type bytea using stored_text(book, null, nullif(metadata, '{}')::text);
update payments p
   set description = stored_text(p.book, o.owner, shown_text(p.book, null, p.description)),
       metadata    = stored_text(p.book, o.owner, shown_text(p.book, null, p.metadata))
  from (select t.book, t.id, text_owner(t.kind, s.user_id, r.user_id) as owner
          from payments t
          left join accounts s on s.book = t.book and s.id = t.from_account
          left join accounts r on r.book = t.book and r.id = t.to_account
         where t.description is not null or t.metadata is not null) o
 where p.book = o.book and p.id = o.id;
create view account_payments as
  select p.from_account as account_id, 'from' as side, p.* from payments p
  union all
  select p.to_account, 'to', p.* from payments p;
grant select on account_payments to billing_gateway;

alter table audit_log
  alter column detail drop not null,
  alter column detail  type bytea using stored_text(book, line_subject(action, object_id, actor_id), nullif(detail, '{}')::text),
  alter column address type bytea using
    stored_text(book, address_owner(line_subject(action, object_id, actor_id), actor_id), address);

-- Every user has a key from the beginning, so none is made to erase with. Whose data were brought back from a copy of the
-- database that was made before they were erased, and their key was not, has none: then nothing can be read, and what is
-- left of the texts are the hashes that erased_texts has from then.
drop function key_to_erase_with;
create or replace function erase_payments(of_book integer, of_user uuid, of_account uuid, behind uuid, most integer) returns uuid
  language sql volatile security definer set search_path = pg_catalog, public, pg_temp
  as $$
    with looked as materialized (
      (select p.id from payments p
        where p.book = of_book and p.from_account = of_account and p.id > behind order by p.id limit most)
      union
      (select p.id from payments p
        where p.book = of_book and p.to_account = of_account and p.id > behind order by p.id limit most)
      order by id limit most
    ), own as materialized (
      select p.id, p.description is not null or p.metadata is not null as has_texts, k.key,
             shown_text(of_book, of_user, p.description) as description, shown_text(of_book, of_user, p.metadata) as metadata
        from looked l
        join payments p on p.book = of_book and p.id = l.id
        left join user_keys k on k.book = of_book and k.user_id = of_user
        join being_erased e on e.book = of_book and e.user_id = of_user
        left join accounts s on s.book = p.book and s.id = p.from_account
        left join accounts r on r.book = p.book and r.id = p.to_account
       where text_owner(p.kind, s.user_id, r.user_id) = of_user
    ), texts as materialized (
      select o.* from own o where o.has_texts
    ), kept as (
      insert into erased_texts (book, object_id, field, hash)
      select of_book, t.id, f.field, text_hash(t.key, t.id, f.field, f.content)
        from texts t
       cross join lateral (values ('description', t.description), ('metadata', t.metadata)) f (field, content)
       where f.content is not null and t.key is not null
          on conflict (book, object_id, field) do nothing
    ), gone as (
      update payments p set description = null, metadata = null from texts t where p.book = of_book and p.id = t.id
    ), untold as (
      update rail_instructions i set destination = null, shown = null, last_error = null
        from own o where i.book = of_book and i.payment_id = o.id
    )
    select (array_agg(l.id order by l.id desc))[1] from looked l
  $$;

create or replace function erase_audit_lines(of_book integer, of_user uuid, ids uuid[]) returns bigint
  language sql volatile security definer set search_path = pg_catalog, public, pg_temp
  as $$
    with texts as materialized (
      select l.id, k.key, shown_text(of_book, of_user, l.detail) as detail,
             address_owner(of_user, l.actor_id) = of_user as has_own_address,
             case when address_owner(of_user, l.actor_id) = of_user then shown_text(of_book, of_user, l.address) end as address
        from unnest(ids) as wanted (id)
        join audit_log l on l.book = of_book and l.id = wanted.id
        left join user_keys k on k.book = of_book and k.user_id = of_user
        join being_erased e on e.book = of_book and e.user_id = of_user
       where line_subject(l.action, l.object_id, l.actor_id) = of_user
    ), kept as (
      insert into erased_texts (book, object_id, field, hash)
      select of_book, t.id, f.field, text_hash(t.key, t.id, f.field, f.content)
        from texts t
       cross join lateral (values ('detail', t.detail), ('address', t.address)) f (field, content)
       where f.content is not null and t.key is not null
          on conflict (book, object_id, field) do nothing
    ), gone as (
      update audit_log l
         set detail = null, address = case when t.has_own_address is not true then l.address end
        from texts t where l.book = of_book and l.id = t.id
      returning 1
    )
    select count(*) from gone
  $$;
