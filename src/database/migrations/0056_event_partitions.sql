-- Events lie in one table a day, by the time in their ids, so that old ones go at once and leave nothing to clean up.
-- What exists becomes the table of all days up to today. Other days than those that are made ahead, as after a clock was
-- set, lie in `events_other` and `user_events_other`, so that no payment ever fails for want of a table.

alter table events rename to events_old;
alter table events_old rename constraint events_pkey to events_old_pkey;
create table events (
  book       integer     not null,
  txid       xid8        not null default pg_current_xact_id(),
  id         uuid        not null,
  type       text        not null,
  object_id  uuid        not null,
  created_at timestamptz not null,
  state      jsonb,
  primary key (book, txid, id)
) partition by range (id);
create table events_other partition of events default;

alter table user_events rename to user_events_old;
alter table user_events_old rename constraint user_events_pkey to user_events_old_pkey;
create table user_events (
  book    integer not null,
  user_id uuid    not null,
  txid    xid8    not null,
  id      uuid    not null,
  primary key (book, user_id, txid, id)
) partition by range (id);
create table user_events_other partition of user_events default;

grant select, insert on events, user_events to billing_gateway;

-- The only way in which tables of events come and go: those of today and the next three days are made, and those of days
-- that ended longer ago than so many days are dropped, where everybody had them: who seals, who keeps viewers, who sends
-- webhooks. It runs with its owner's rights: the server itself can neither make tables nor delete events. Where it would
-- have to wait for a reader it gives up (55P03), and is called again later. Answers how many days it made or dropped.
create function keep_event_partitions(keep_days integer) returns integer
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
                          and e.txid > least(coalesce((select g.txid from public.event_progress g where g.book = k.book), '0'),
                                             (select w.txid from public.webhook_cursors w where w.book = k.book)))) $needed$;
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
revoke all on function keep_event_partitions from public;
grant execute on function keep_event_partitions to billing_gateway;

do $$
  declare
    today constant date := (clock_timestamp() at time zone 'UTC')::date;
    tomorrow constant uuid :=
      (lpad(to_hex(extract(epoch from (today + 1)::timestamp at time zone 'UTC')::bigint * 1000), 12, '0') || '70008000000000000000')::uuid;
    parent text;
    is_there boolean;
  begin
    foreach parent in array array['events', 'user_events'] loop
      execute format('select exists (select from %I)', parent || '_old') into is_there;
      if is_there then
        execute format('alter table %I rename to %I', parent || '_old', parent || to_char(today, '_YYYYMMDD'));
        execute format('revoke all on %I from billing_gateway', parent || to_char(today, '_YYYYMMDD'));
        execute format('alter table %I attach partition %I for values from (minvalue) to (%L)',
                       parent, parent || to_char(today, '_YYYYMMDD'), tomorrow);
      else
        execute format('drop table %I', parent || '_old');
      end if;
    end loop;
  end
  $$;

drop function forget_events;
drop function viewers_of;
select keep_event_partitions(36500);
