-- Money from and to the world outside (docs/rails.md): what rails are asked to do, and what arrived that nobody asked for.

-- `suspense` holds what came or went without a payment that it belongs to, until an operator says where it does.
alter table accounts
  drop constraint accounts_code_check,
  add constraint accounts_code_check
    check (code in ('internal', 'wire', 'wallet', 'crypto_currency', 'exchange', 'suspense'));

-- One for each deposit and withdrawal: submitted after the commit that made it, again and again until its rail has it,
-- and then asked for until there is an answer.
create table rail_instructions (
  book        integer     not null,
  payment_id  uuid        not null,
  rail        text        not null,
  direction   text        not null,  -- in: a deposit; out: a withdrawal
  state       text        not null default 'waiting',
  destination bytea,                 -- where a withdrawal goes, sealed for this payment
  shown       text,                  -- the same as it may be shown
  attempts    integer     not null default 0,
  attempt_at  timestamptz,           -- not before this; null once there is nothing to do any more
  last_error  text,
  created_at  timestamptz not null,
  primary key (book, payment_id),
  check (rail in ('wire', 'wallet', 'crypto_currency')),
  check (direction in ('in', 'out')),
  check (state in ('waiting', 'submitted', 'done'))
);
create index rail_instructions_due on rail_instructions (book, attempt_at, payment_id) where attempt_at is not null;

-- Each line is one arrival or departure, booked by `payment_id` between its rail and `suspense`.
create table suspense_items (
  book           integer        not null,
  id             uuid           not null,
  rail           text           not null,
  rail_reference text           not null,  -- the rail's own name for it: reported twice, it is booked once
  direction      text           not null,
  currency       text           not null,
  amount         numeric(38, 0) not null,
  reason         text           not null,
  payment_id     uuid           not null,
  related_id     uuid,                     -- the payment that it may belong to
  resolved_by    uuid,                     -- the payment that took it out of suspense
  created_at     timestamptz    not null,
  resolved_at    timestamptz,
  primary key (book, id),
  unique (book, rail, rail_reference),
  foreign key (book, currency) references currencies (book, code),
  check (amount > 0),
  check (direction in ('in', 'out')),
  check (reason in ('unexpected', 'wrong_amount', 'late', 'twice')),
  check ((resolved_by is null) = (resolved_at is null))
);

grant select, insert on rail_instructions, suspense_items to billing_gateway;
grant update (state, attempts, attempt_at, last_error) on rail_instructions to billing_gateway;
grant update (resolved_by, resolved_at) on suspense_items to billing_gateway;
