-- Erasure of a user's data that leaves the books whole (docs/decisions/0017-erasure.md). What was sealed of a text is its
-- hash under a key of the user's own; where the text is erased, the hash stays and the key goes.

-- The key of a user's texts, 32 random bytes: made with the first block that seals one, gone with the user's data.
create table user_keys (
  book    integer not null,
  user_id uuid    not null,
  key     bytea   not null check (length(key) = 32),
  primary key (book, user_id)
);

-- What stays of a text that was erased: the hash that its leaf has.
create table erased_texts (
  book      integer not null,
  object_id uuid    not null,  -- a payment, or a line of the audit log
  field     text    not null check (field in ('description', 'metadata', 'detail', 'address')),
  hash      bytea   not null,
  primary key (book, object_id, field)
);

alter table users
  add column erased_at timestamptz,  -- when the erasure of their data was begun; the address is free from then on
  add constraint erased_is_closed check (erased_at is null or closed_at is not null);

-- Erasures under way.
create table erasures (
  book     integer     not null,
  user_id  uuid        not null,
  known_as text[]      not null,  -- the address and the display name, to be found in what others were answered
  asked_at timestamptz not null,
  txid     xid8        not null default pg_current_xact_id(),
  primary key (book, user_id),
  foreign key (book, user_id) references users (book, id)
);

-- Whose data may be erased: both the server's order and the mark on the user are needed.
create view being_erased as
  select e.book, e.user_id
    from erasures e
    join users u on u.book = e.book and u.id = e.user_id
   where u.erased_at is not null;

alter table idempotency_keys add column user_id uuid;  -- whose key it is; null for those from before
create index idempotency_keys_by_user on idempotency_keys (book, user_id) where user_id is not null;
-- Blocks whose leaves hold texts as they are: these are not erased.
create index blocks_with_texts on blocks (book, number) where format = 1;

create function text_hash(key bytea, id uuid, field text, content text) returns bytea
  language sql immutable
  as $$ select sha256(sha256(key || uuid_send(id) || convert_to(field, 'UTF8')) || convert_to(content, 'UTF8')) $$;

-- The key, where the user is one whose data are being erased. It is made where there is none, as a block that is being
-- sealed at this moment may be about to make it.
create function key_to_erase_with(of_book integer, of_user uuid, otherwise bytea) returns bytea
  language sql volatile security definer set search_path = pg_catalog, public, pg_temp
  as $$
    insert into user_keys (book, user_id, key)
    select e.book, e.user_id, otherwise from being_erased e where e.book = of_book and e.user_id = of_user
        on conflict (book, user_id) do nothing;
    select k.key
      from user_keys k
      join being_erased e on e.book = k.book and e.user_id = k.user_id
     where k.book = of_book and k.user_id = of_user
  $$;

-- Erases descriptions and metadata of the user's payments of one account, some at a time; answers the last id that was
-- looked at, null at the end. These and the next two run with their owner's rights: the server cannot change the rows.
create function erase_payments(of_book integer, of_user uuid, of_account uuid, behind uuid, most integer) returns uuid
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
       where (o.description is not null or o.metadata is not null)
         and o.id not in (select unnest(b.payments) from blocks b where b.book = of_book and b.format = 1)
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

-- Erases what these lines of the audit log say of the user: those whose subject they are (src/seal/texts.ts).
create function erase_audit_lines(of_book integer, of_user uuid, ids uuid[]) returns bigint
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
         and l.txid > coalesce((select b.up_to_txid from blocks b
                                 where b.book = of_book and b.format = 1 order by b.number desc limit 1), '0')
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

-- Erases what was sent to the user's webhooks, some at a time; answers how many went.
create function erase_deliveries(of_book integer, of_user uuid, most integer) returns bigint
  language sql volatile security definer set search_path = pg_catalog, public, pg_temp
  as $$
    with picked as materialized (
      select d.book, d.id
        from being_erased e
        join webhooks w on w.book = e.book and w.user_id = e.user_id
        join webhook_deliveries d on d.book = w.book and d.webhook_id = w.id
       where e.book = of_book and e.user_id = of_user
         and (d.claimed_until is null or d.claimed_until < clock_timestamp())  -- what is being sent is noted soon
       limit most
    ), attempts as (
      delete from webhook_attempts a using picked s where a.book = s.book and a.delivery_id = s.id
    ), gone as (
      delete from webhook_deliveries d using picked s where d.book = s.book and d.id = s.id
      returning 1
    )
    select count(*) from gone
  $$;

-- Erases what events say of the user's accounts, some at a time; answers the last that was looked at, nothing at the end.
create function erase_events(of_book integer, of_user uuid, behind xid8, behind_id uuid, most integer)
  returns table (last_txid text, last_id uuid)
  language sql volatile security definer set search_path = pg_catalog, public, pg_temp
  as $$
    with looked as materialized (
      select v.book, v.txid, v.id
        from being_erased b
        join user_events v on v.book = b.book and v.user_id = b.user_id
       where b.book = of_book and b.user_id = of_user and (v.txid, v.id) > (behind, behind_id)
       order by v.txid, v.id
       limit most
    ), gone as (
      update events e set state = e.state - 'name' - 'metadata'
        from looked l
       where e.book = l.book and e.txid = l.txid and e.id = l.id and e.type like 'account.%' and e.state is not null
    )
    select l.txid::text, l.id from looked l order by l.txid desc, l.id desc limit 1
  $$;

-- Erases all else, and the key. Answers whether it did: not where a delivery is being sent at this moment.
create function finish_erasure(of_book integer, of_user uuid) returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, public, pg_temp
  as $$
  begin
    perform from erasures where book = of_book and user_id = of_user for update;
    if not exists (select from being_erased where book = of_book and user_id = of_user) then return false; end if;
    if exists (select from webhooks w
                 join webhook_deliveries d on d.book = w.book and d.webhook_id = w.id
                where w.book = of_book and w.user_id = of_user) then return false; end if;
    update accounts set name = currency, metadata = '{}' where book = of_book and user_id = of_user;
    update schedules set description = null, metadata = '{}' where book = of_book and user_id = of_user;
    update tokens set name = 'erased', address = null where book = of_book and user_id = of_user;
    update webhooks set url = '', description = null, secret = '', previous_secret = null, previous_until = null
     where book = of_book and user_id = of_user;
    update email_changes set email = '' where book = of_book and user_id = of_user;
    delete from idempotency_keys where book = of_book and user_id = of_user;
    delete from user_keys where book = of_book and user_id = of_user;
    delete from erasures where book = of_book and user_id = of_user;
    return true;
  end
  $$;

revoke all on function text_hash, key_to_erase_with, erase_payments, erase_audit_lines, erase_deliveries, erase_events,
  finish_erasure from public;
grant execute on function key_to_erase_with, erase_payments, erase_audit_lines, erase_deliveries, erase_events,
  finish_erasure to billing_gateway;
grant select, insert on user_keys, erasures to billing_gateway;
grant select on erased_texts, being_erased to billing_gateway;
grant update (erased_at) on users to billing_gateway;
grant update (answer) on idempotency_keys to billing_gateway;
