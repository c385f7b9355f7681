-- Withdrawals by wire, collected into orders for banks (docs/wire.md). Amounts in minor units.
create table wire_batches (
  book           integer        not null references books (book),
  id             uuid           not null,
  message_id     text           not null,  -- its name at the bank
  version        text           not null,  -- of pain.001.001
  account        text           not null,  -- our IBAN, which pays
  currency       text           not null,
  requested_date date           not null,
  payments       integer        not null,
  total          numeric(38, 0) not null,
  file           bytea          not null,  -- the order, sealed for this batch: the same bytes whenever it is downloaded
  created_by     uuid,
  created_at     timestamptz    not null,
  primary key (book, id),
  unique (book, message_id),
  foreign key (book, currency) references currencies (book, code),
  check (version in ('03', '09')),
  check (payments > 0 and total > 0)
);

-- A withdrawal is in one batch, ever.
create table wire_batch_payments (
  book       integer        not null,
  payment_id uuid           not null,
  batch_id   uuid           not null,
  amount     numeric(38, 0) not null,
  primary key (book, payment_id),
  foreign key (book, batch_id) references wire_batches (book, id),
  check (amount > 0)
);
create index wire_batch_payments_by_batch on wire_batch_payments (book, batch_id, payment_id);

-- What nobody is told of, and waits to be collected.
create index rail_instructions_to_collect on rail_instructions (book, rail, payment_id)
  where state = 'waiting' and attempt_at is null;

grant select, insert on wire_batches, wire_batch_payments to billing_gateway;
