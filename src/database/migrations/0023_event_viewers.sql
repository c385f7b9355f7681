-- Who may see an event is asked by its object: one object at a time, by index, which a view over all events cannot be.
create function viewers_of(of_book integer, object uuid) returns setof uuid
  language sql stable  -- and nothing more, so that it becomes a part of the statement that calls it
  as $$
    select a.user_id from payments p join accounts a on a.book = p.book and a.id in (p.from_account, p.to_account)
     where p.book = of_book and p.id = object and a.user_id is not null
    union
    select a.user_id from accounts a where a.book = of_book and a.id = object and a.user_id is not null
    union
    select w.user_id from webhooks w where w.book = of_book and w.id = object
  $$;
revoke all on function viewers_of from public;
grant execute on function viewers_of to billing_gateway;

create or replace function forget_events(of_book integer, before timestamptz, most integer) returns bigint
  language sql security definer set search_path = pg_catalog, public
  as $$
    with oldest as materialized (
      select e.book, e.txid, e.id, e.object_id, e.created_at from events e
       where e.book = of_book order by e.txid, e.id limit most
    ), old as materialized (
      select o.* from oldest o where o.created_at < least(before, now() - interval '1 day')
    ), hidden as (
      delete from user_events u using old o, viewers_of(o.book, o.object_id) as v (user_id)
       where u.book = o.book and u.user_id = v.user_id and u.txid = o.txid and u.id = o.id
    ), gone as (
      delete from events e using old o where e.book = o.book and e.txid = o.txid and e.id = o.id
      returning e.id
    )
    select count(*) from gone
  $$;

drop view event_viewers;
