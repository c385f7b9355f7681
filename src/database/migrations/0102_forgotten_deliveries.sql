-- Deliveries that were asked for again were over late, and stand in front of all that are younger: what looked at the
-- oldest only then forgot none of those. Answers how many went of those behind a place, and behind which one to go on:
-- none, where what follows was made too lately to be over for so long.
drop function forget_deliveries(integer, timestamptz, integer);
create function forget_deliveries(of_book integer, before timestamptz, behind uuid, most integer)
  returns table (gone bigint, last_id uuid)
  language sql volatile security definer set search_path = pg_catalog, public, pg_temp
  as $$
    with looked as materialized (
      select d.book, d.id, d.created_at, d.completed_at
        from webhook_deliveries d
       where d.book = of_book and d.id > behind
       order by d.id
       limit most
    ), old as materialized (
      select l.book, l.id from looked l where l.completed_at < least(before, now() - interval '1 day')
    ), attempts as (
      delete from webhook_attempts a using old o where a.book = o.book and a.delivery_id = o.id
    ), forgotten as (
      delete from webhook_deliveries d using old o
       where d.book = o.book and d.id = o.id and d.status <> 'pending'
      returning d.id
    )
    select (select count(*) from forgotten),
           (select case when l.created_at < before then l.id end from looked l order by l.id desc limit 1)
  $$;
revoke all on function forget_deliveries from public;
grant execute on function forget_deliveries to billing_gateway;
