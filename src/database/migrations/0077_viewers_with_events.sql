-- Who may see an event is written with the event, by whoever writes it and knows: nothing has to be read again for it, and
-- it is there at once. Events of which it was not kept yet get theirs here.

alter table user_events alter column txid set default pg_current_xact_id();

with late as materialized (
  select e.book, e.txid, e.id, e.object_id
    from events e
    left join event_progress g on g.book = e.book
   where (e.txid, e.id) > (coalesce(g.txid, '0'), coalesce(g.id, '00000000-0000-0000-0000-000000000000'))
), viewers as (
  select l.book, a.user_id, l.txid, l.id
    from late l
    join payments p on p.book = l.book and p.id = l.object_id
    join accounts a on a.book = p.book and a.id in (p.from_account, p.to_account)
   union all
  select l.book, a.user_id, l.txid, l.id from late l join accounts a on a.book = l.book and a.id = l.object_id
   union all
  select l.book, s.user_id, l.txid, l.id from late l join schedules s on s.book = l.book and s.id = l.object_id
   union all
  select l.book, w.user_id, l.txid, l.id from late l join webhooks w on w.book = l.book and w.id = l.object_id
)
insert into user_events (book, user_id, txid, id)
select book, user_id, txid, id from viewers where user_id is not null
    on conflict do nothing;

-- The same as before, but that nobody keeps viewers behind the events.
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
    parent  text;
    first   uuid;
    next    uuid;
    is_needed boolean;
    changed integer := 0;
  begin
    if not pg_try_advisory_xact_lock(hashtext('keep_event_partitions')) then return 0; end if;
    for day in select today + ahead from generate_series(0, 3) as ahead loop
      execute 'select' || format(id_at, day::timestamp at time zone 'UTC') into first;
      execute 'select' || format(id_at, (day + 1)::timestamp at time zone 'UTC') into next;
      foreach parent in array array['events', 'user_events'] loop
        continue when to_regclass(format('public.%I', parent || to_char(day, '_YYYYMMDD'))) is not null;
        begin
          execute format('create table public.%I (like public.%I including all)', parent || to_char(day, '_YYYYMMDD'), parent);
          execute format('alter table public.%I attach partition public.%I for values from (%L) to (%L)',
                         parent, parent || to_char(day, '_YYYYMMDD'), first, next);
          changed := changed + 1;
        exception when check_violation or invalid_object_definition then
          -- Some of that day lie elsewhere already: so will the others.
          null;
        end;
      end loop;
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
      execute format('drop table if exists public.%I', to_char(day, '"user_events_"YYYYMMDD'));
      changed := changed + 1;
    end loop;

    execute format(needed, 'events_other', first) into is_needed;
    if not is_needed then
      delete from public.events_other where id < first;
      delete from public.user_events_other where id < first;
    end if;
    return changed;
  end
  $$;

drop table event_progress;
