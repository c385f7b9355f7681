-- Who may see an event stands with it, as two rows of a table beside it no more: these were a seventh of what a payment in
-- bulk cost the database. Both sides of a payment are at most two users, and anything else has one owner.

alter table events
  add column viewer uuid,
  add column other_viewer uuid;

update events e
   set viewer = seen.users[1], other_viewer = seen.users[2]
  from (select book, txid, id, array_agg(user_id order by user_id) as users from user_events group by book, txid, id) as seen
 where e.book = seen.book and e.txid = seen.txid and e.id = seen.id;

drop table user_events;

-- Without a condition of its own: so PostgreSQL reads both sides by their indexes, and merges them in the order of the feed.
create view user_events as
  select book, viewer as user_id, txid, id from events
  union all
  select book, other_viewer, txid, id from events;
grant select on user_events to billing_gateway;

create index events_by_viewer on events (book, viewer, txid, id) where viewer is not null;
create index events_by_other_viewer on events (book, other_viewer, txid, id) where other_viewer is not null;

-- The same as before, without the tables of viewers.
create or replace function keep_event_partitions(keep_days integer) returns integer
  language plpgsql security definer
  set search_path = pg_catalog, public, pg_temp
  set lock_timeout = '500ms'
  as $$
  declare
    today   constant date := (clock_timestamp() at time zone 'UTC')::date;
    kept    constant date := today - greatest(keep_days, 1);
    id_at   constant text := $id$ (lpad(to_hex(extract(epoch from %L::timestamptz)::bigint * 1000), 12, '0') || '70008000000000000000')::uuid $id$;
    needed  constant text := $needed$
      select exists (
        select from public.books k
         where exists (select from public.%1$I e
                        where e.book = k.book and e.id < %2$L
                          and e.txid > coalesce((select b.up_to_txid from public.blocks b where b.book = k.book
                                                  order by b.number desc limit 1), '0')
                          and e.type in ('payment.completed', 'payment.declined', 'payment.canceled', 'payment.failed',
                                         'payment.expired'))
            or exists (select from public.%1$I e
                        where e.book = k.book and e.id < %2$L
                          and e.txid > (select w.txid from public.webhook_cursors w where w.book = k.book))) $needed$;
    day     date;
    name    text;
    first   uuid;
    next    uuid;
    is_needed boolean;
    changed integer := 0;
  begin
    if not pg_try_advisory_xact_lock(hashtext('keep_event_partitions')) then return 0; end if;
    for day in select today + ahead from generate_series(0, 3) as ahead loop
      execute 'select' || format(id_at, day::timestamp at time zone 'UTC') into first;
      execute 'select' || format(id_at, (day + 1)::timestamp at time zone 'UTC') into next;
      name := to_char(day, '"events_"YYYYMMDD');
      continue when to_regclass(format('public.%I', name)) is not null;
      begin
        execute format('create table public.%I (like public.events including all)', name);
        execute format('alter table public.events attach partition public.%I for values from (%L) to (%L)', name, first, next);
        changed := changed + 1;
      exception when check_violation or invalid_object_definition then
        -- Some of that day lie elsewhere already: so will the others.
        null;
      end;
    end loop;

    execute 'select' || format(id_at, kept::timestamp at time zone 'UTC') into first;
    for day in select to_date(substr(c.relname, 8), 'YYYYMMDD') as of
                 from pg_inherits i join pg_class c on c.oid = i.inhrelid
                where i.inhparent = 'public.events'::regclass and c.relname ~ '^events_\d{8}$'
                  and to_date(substr(c.relname, 8), 'YYYYMMDD') < kept
                order by 1 loop
      execute format(needed, to_char(day, '"events_"YYYYMMDD'), first) into is_needed;
      exit when is_needed;
      execute format('drop table public.%I', to_char(day, '"events_"YYYYMMDD'));
      changed := changed + 1;
    end loop;

    execute format(needed, 'events_other', first) into is_needed;
    if not is_needed then delete from public.events_other where id < first; end if;
    return changed;
  end
  $$;
