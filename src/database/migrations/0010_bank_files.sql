-- What banks told of the house's own accounts (docs/api.md, Bank statements): each file, each statement in it and each movement once,
-- however often and in whatever files it comes. Amounts in minor units.
create table bank_files (
  book        integer     not null references books (book),
  id          uuid        not null,
  sha256      bytea       not null,
  kind        text        not null,
  version     text        not null,
  message_id  text        not null,
  outcome     jsonb       not null,  -- what became of each statement: the answer, also when it comes again
  uploaded_by uuid,
  created_at  timestamptz not null,
  primary key (book, id),
  unique (book, sha256),
  check (kind in ('camt.053', 'camt.054'))
);

create table bank_statements (
  book         integer        not null,
  file_id      uuid           not null,
  number       integer        not null,  -- in its file, from 0
  kind         text           not null,
  account      text           not null,  -- our IBAN
  currency     text           not null,
  message_id   text           not null,
  statement_id text           not null,
  content      bytea          not null,  -- SHA-256 of what it says, in whatever form it says it
  opening      numeric(38, 0),
  closing      numeric(38, 0),
  closing_date date,
  primary key (book, file_id, number),
  unique (book, account, kind, message_id, statement_id),
  foreign key (book, file_id) references bank_files (book, id),
  foreign key (book, currency) references currencies (book, code),
  check ((opening is null) = (closing is null) and (closing is null) = (closing_date is null))
);

create table bank_entries (
  book                 integer        not null,
  id                   uuid           not null,
  file_id              uuid           not null,
  account              text           not null,
  currency             text           not null,
  entry_key            bytea          not null,  -- what makes the entry the same one in another file
  line                 integer        not null,  -- of several transactions in it, from 0
  direction            text           not null,
  amount               numeric(38, 0) not null,
  reversal             boolean        not null,
  booking_date         date,
  value_date           date,
  end_to_end_id        text,
  servicer_reference   text,
  counterparty_name    text,
  counterparty_account text,                     -- as it may be shown
  remittance           text,
  status               text           not null,
  payment_id           uuid,
  matched_by           text,
  suggestions          jsonb          not null,
  created_at           timestamptz    not null,
  primary key (book, id),
  unique (book, account, entry_key, line),
  foreign key (book, file_id) references bank_files (book, id),
  foreign key (book, currency) references currencies (book, code),
  check (direction in ('in', 'out')),
  check (amount >= 0),
  check (status in ('unmatched', 'matched', 'ignored', 'suspense')),
  check ((status = 'matched') = (payment_id is not null and matched_by is not null)),
  check (matched_by in ('reference', 'amount', 'operator'))
);
-- The reconciliation list.
create index bank_entries_by_status on bank_entries (book, status, id);

grant select, insert on bank_files, bank_statements, bank_entries to billing_gateway;
grant update (status) on bank_entries to billing_gateway;
