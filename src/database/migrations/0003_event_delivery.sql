-- What an event says of its object where that cannot be read from the object later, because it may change once more.
alter table events add column state jsonb;

-- Who may see an event: both sides of a payment, the owner of an account.
create view event_viewers as
  select distinct e.book, e.txid, e.id, a.user_id
    from events e
    join payments p on p.book = e.book and p.id = e.object_id
   cross join lateral (values (p.from_account), (p.to_account)) as side (account_id)
    join accounts a on a.book = e.book and a.id = side.account_id
   where a.user_id is not null
  union all
  select e.book, e.txid, e.id, a.user_id
    from events e
    join accounts a on a.book = e.book and a.id = e.object_id
   where a.user_id is not null;

-- The same, kept, so that a user's events can be read in their order. Written behind the posting of payments, up to the
-- position in event_progress, and never beyond what can still be committed.
create table user_events (
  book    integer not null,
  user_id uuid    not null,
  txid    xid8    not null,
  id      uuid    not null,
  primary key (book, user_id, txid, id)
);

create table event_progress (
  book integer not null references books (book),
  txid xid8    not null,
  id   uuid    not null,
  primary key (book)
);

-- The only way in which an event goes: old enough, the oldest first, a few at a time. Answers how many went. It runs with
-- its owner's rights: the server itself cannot delete events.
create function forget_events(of_book integer, before timestamptz, most integer) returns bigint
  language sql security definer set search_path = pg_catalog, public
  as $$
    with oldest as materialized (
      select e.book, e.txid, e.id, e.created_at from events e where e.book = of_book order by e.txid, e.id limit most
    ), old as materialized (
      select o.book, o.txid, o.id from oldest o where o.created_at < least(before, now() - interval '1 day')
    ), hidden as (
      delete from user_events u using old o, event_viewers v
       where v.book = o.book and v.txid = o.txid and v.id = o.id
         and u.book = v.book and u.user_id = v.user_id and u.txid = v.txid and u.id = v.id
    ), gone as (
      delete from events e using old o where e.book = o.book and e.txid = o.txid and e.id = o.id
      returning e.id
    )
    select count(*) from gone
  $$;
revoke all on function forget_events from public;
grant execute on function forget_events to billing_gateway;

grant select on event_viewers to billing_gateway;
grant select, insert on user_events to billing_gateway;
grant select, insert, update (txid, id) on event_progress to billing_gateway;
