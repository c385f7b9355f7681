-- Adjustments that wait for a second operator (docs/operations.md, Approvals).

create table approvals (
  book         integer        not null,
  id           uuid           not null,
  account_id   uuid           not null,
  direction    text           not null,
  currency     text           not null,
  amount       numeric(38, 0) not null,
  reason       text           not null,
  requested_by uuid           not null,  -- of whichever book: an operator of all books is a user of another
  status       text           not null default 'pending',
  decided_by   uuid,
  decided_at   timestamptz,
  payment_id   uuid,                     -- what it came to
  expires_at   timestamptz    not null,
  created_at   timestamptz    not null,
  primary key (book, id),
  foreign key (book, account_id) references accounts (book, id),
  foreign key (book, currency) references currencies (book, code),
  check (amount > 0),
  check (direction in ('debit', 'credit')),
  check (status in ('pending', 'approved', 'rejected')),
  check ((status = 'pending') = (decided_by is null) and (status = 'pending') = (decided_at is null)),
  check ((status = 'approved') = (payment_id is not null)),
  check (decided_by <> requested_by)
);

grant select, insert on approvals to billing_gateway;
grant update (status, decided_by, decided_at, payment_id) on approvals to billing_gateway;
