-- Blocks of format 1 held the texts of users as they are, so that these could not be erased. No release made any.

do $$
  begin
    if exists (select from books k join blocks b on b.book = k.book where b.format = 1) then
      raise exception 'its blocks are of format 1, from before the first release; begin with an empty database';
    end if;
  end $$;

drop index blocks_with_texts;

-- As in 0067_erasure.sql, without those exceptions.
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
      select p.id, p.description, nullif(p.metadata, '{}')::text as metadata, k.key
        from looked l
        join payments p on p.book = of_book and p.id = l.id
        join user_keys k on k.book = of_book and k.user_id = of_user
        join being_erased e on e.book = of_book and e.user_id = of_user
        left join accounts s on s.book = p.book and s.id = p.from_account
        left join accounts r on r.book = p.book and r.id = p.to_account
       where coalesce(s.user_id, r.user_id) = of_user and p.kind not in ('bonus', 'adjustment')
    ), texts as materialized (
      select o.* from own o
       where o.description is not null or o.metadata is not null
    ), kept as (
      insert into erased_texts (book, object_id, field, hash)
      select of_book, t.id, f.field, text_hash(t.key, t.id, f.field, f.content)
        from texts t
       cross join lateral (values ('description', t.description), ('metadata', t.metadata)) f (field, content)
       where f.content is not null
          on conflict (book, object_id, field) do nothing
    ), gone as (
      update payments p set description = null, metadata = '{}' from texts t where p.book = of_book and p.id = t.id
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
      select l.id, nullif(l.detail, '{}')::text as detail, k.key,
             case when l.actor_id is null or l.actor_id = of_user then l.address end as address
        from unnest(ids) as wanted (id)
        join audit_log l on l.book = of_book and l.id = wanted.id
        join user_keys k on k.book = of_book and k.user_id = of_user
        join being_erased e on e.book = of_book and e.user_id = of_user
       where case when l.action like 'user.%' or l.action like 'otp.%' then l.object_id
                  when l.action like 'token.%' or l.action = 'access.refuse' then l.actor_id end = of_user
    ), kept as (
      insert into erased_texts (book, object_id, field, hash)
      select of_book, t.id, f.field, text_hash(t.key, t.id, f.field, f.content)
        from texts t
       cross join lateral (values ('detail', t.detail), ('address', t.address)) f (field, content)
       where f.content is not null
          on conflict (book, object_id, field) do nothing
    ), gone as (
      update audit_log l
         set detail = '{}', address = case when t.address is null then l.address end
        from texts t where l.book = of_book and l.id = t.id
      returning 1
    )
    select count(*) from gone
  $$;
