-- A delivery that is asked for again while the log forgets it stays, with all of its attempts: these were gone although it
-- stayed, and one that was sent anew meanwhile was gone itself, a moment after it was over.
create or replace function forget_deliveries(of_book integer, before timestamptz, behind uuid, most integer)
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
    ), forgotten as (
      -- As it is now, behind whoever had it locked.
      delete from webhook_deliveries d using old o
       where d.book = o.book and d.id = o.id and d.completed_at < least(before, now() - interval '1 day')
      returning d.book, d.id
    ), attempts as (
      delete from webhook_attempts a using forgotten f where a.book = f.book and a.delivery_id = f.id
    )
    select (select count(*) from forgotten),
           (select case when l.created_at < before then l.id end from looked l order by l.id desc limit 1)
  $$;
