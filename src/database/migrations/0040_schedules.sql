-- Scheduled and recurring payments (docs/scheduled.md). A schedule carries the occurrence whose turn it is; the payment
-- that an occurrence comes to is written in the transaction that moves its schedule on, so that each is made once.

create table schedules (
  book                integer        not null references books (book),
  id                  uuid           not null,
  user_id             uuid           not null,           -- who pays
  from_account        uuid           not null,
  to_account          uuid           not null,
  currency            text           not null,
  amount              numeric(38, 0) not null,
  fee_payer           text           not null,
  description         text,
  metadata            jsonb          not null,
  every               text,                              -- null: once
  interval            integer        not null,
  time_zone           text           not null,           -- an IANA name
  starts_at           timestamptz    not null,
  ends_at             timestamptz,                       -- nothing falls due later
  count               integer,                           -- nor more often
  retry_times         integer        not null,
  retry_every_minutes integer        not null,
  status              text           not null default 'active',
  number              integer        not null default 0, -- of the occurrence whose turn it is; so many are behind it
  due_at              timestamptz,                       -- when that one falls due
  attempts            integer        not null default 0, -- how often it was declined
  attempt_at          timestamptz,                       -- not before this; later than due_at where it is tried again
  last_payment_id     uuid,
  created_at          timestamptz    not null,
  updated_at          timestamptz    not null,
  primary key (book, id),
  foreign key (book, user_id) references users (book, id),
  foreign key (book, from_account) references accounts (book, id),
  foreign key (book, to_account) references accounts (book, id),
  foreign key (book, currency) references currencies (book, code),
  check (from_account <> to_account),
  check (amount > 0),
  check (fee_payer in ('sender', 'receiver')),
  check (every in ('day', 'week', 'month')),
  check (interval between 1 and 1000),
  check (ends_at >= starts_at),
  check (count > 0),
  check (retry_times >= 0 and retry_every_minutes > 0),
  check (status in ('active', 'paused', 'canceled', 'ended')),
  check (number >= 0 and attempts >= 0),
  constraint active_is_due check (case status when 'active' then due_at is not null and attempt_at >= due_at
                                              else due_at is null and attempt_at is null end)
);
create index schedules_by_user on schedules (book, user_id, id);
create index schedules_due on schedules (book, attempt_at, id) where status = 'active';

alter table payments
  add column schedule_id   uuid,
  add column scheduled_for timestamptz,  -- when it fell due; made later where the gateway was down, or at another attempt
  add constraint scheduled_whole check ((schedule_id is null) = (scheduled_for is null));
create index payments_by_schedule on payments (book, schedule_id, id) where schedule_id is not null;

create or replace view account_payments as
  select from_account as account_id, 'from' as side, p.* from payments p
  union all
  select to_account, 'to', p.* from payments p;

grant select, insert on schedules to billing_gateway;
grant update (status, number, due_at, attempts, attempt_at, last_payment_id, updated_at) on schedules to billing_gateway;
