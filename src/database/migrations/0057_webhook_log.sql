-- The only way in which a delivery of a webhook goes: over for long enough, the oldest first, a few at a time, with its
-- attempts. Answers how many went. It runs with its owner's rights: the server itself can delete none.
create function forget_deliveries(of_book integer, before timestamptz, most integer) returns bigint
  language sql volatile security definer set search_path = pg_catalog, public, pg_temp
  as $$
    with oldest as materialized (
      select d.book, d.id, d.completed_at from webhook_deliveries d where d.book = of_book order by d.id limit most
    ), old as materialized (
      select o.book, o.id from oldest o where o.completed_at < least(before, now() - interval '1 day')
    ), attempts as (
      delete from webhook_attempts a using old o where a.book = o.book and a.delivery_id = o.id
    ), gone as (
      delete from webhook_deliveries d using old o
       where d.book = o.book and d.id = o.id and d.status <> 'pending'
      returning d.id
    )
    select count(*) from gone
  $$;
revoke all on function forget_deliveries from public;
grant execute on function forget_deliveries to billing_gateway;
