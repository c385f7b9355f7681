-- The books (docs/ledger.md). Every key begins with `book`, so that no row of one book can name a row of another.
-- Amounts are whole minor units. There are no foreign keys between payments, postings and accounts: each would cost a
-- row lock per side on the hottest rows, nothing is ever deleted, and `npm run verify` proves what they would say.

create table books (
  book       integer     not null generated always as identity,
  name       text        not null,
  created_at timestamptz not null,
  primary key (book),
  unique (name),
  check (name ~ '^[a-z][a-z0-9-]{0,31}$')
);

create table currencies (
  book   integer  not null references books (book),
  code   text     not null,
  digits smallint not null,
  primary key (book, code),
  check (code ~ '^[A-Z][A-Z0-9]{2,7}$'),
  check (digits between 0 and 18)
);

create table users (
  book          integer     not null references books (book),
  id            uuid        not null,
  email         text        not null,
  email_key     text        not null,  -- the address as compared: Unicode NFKC, lower case
  password_hash text,                  -- null until an imported user sets one
  confirmed_at  timestamptz,
  role          text        not null default 'user',
  all_books     boolean     not null default false,
  created_at    timestamptz not null,
  primary key (book, id),
  unique (book, email_key),
  check (role in ('user', 'admin')),
  check (not all_books or role = 'admin')
);

create table tokens (
  book         integer     not null,
  id           uuid        not null,
  user_id      uuid        not null,
  hash         bytea       not null,  -- SHA-256 of the token; the token itself is shown once and not kept
  name         text        not null,
  scopes       text[]      not null,
  expires_at   timestamptz,
  last_used_at timestamptz,
  revoked_at   timestamptz,
  created_at   timestamptz not null,
  primary key (book, id),
  unique (book, hash),
  foreign key (book, user_id) references users (book, id)
);
create index tokens_by_user on tokens (book, user_id, id);

-- What makes a node forget a user's tokens: each node reads the last minute of these a few times a second.
create table session_changes (
  book       integer     not null,
  user_id    uuid        not null,
  changed_at timestamptz not null default clock_timestamp(),
  primary key (book, changed_at, user_id)
);
create index session_changes_by_time on session_changes (changed_at);

-- Single-use secrets that were sent by mail.
create table mail_tokens (
  book       integer     not null,
  hash       bytea       not null,
  user_id    uuid        not null,
  purpose    text        not null,
  expires_at timestamptz not null,
  used_at    timestamptz,
  primary key (book, hash),
  foreign key (book, user_id) references users (book, id),
  check (purpose in ('confirm_email'))
);

create table accounts (
  book            integer        not null references books (book),
  id              uuid           not null,
  user_id         uuid,
  code            text,
  currency        text           not null,
  name            text           not null,
  status          text           not null default 'active',
  balance         numeric(38, 0) not null default 0,
  held            numeric(38, 0) not null default 0,
  overdraft_limit numeric(38, 0) not null default 0,
  metadata        jsonb          not null default '{}',
  created_at      timestamptz    not null,
  updated_at      timestamptz    not null,
  primary key (book, id),
  unique (book, currency, code),
  foreign key (book, user_id) references users (book, id),
  foreign key (book, currency) references currencies (book, code),
  check ((user_id is null) <> (code is null)),
  check (code in ('internal', 'wire', 'wallet', 'crypto_currency', 'exchange')),
  check (status in ('active', 'frozen', 'closed')),
  check (held >= 0 and overdraft_limit >= 0),
  -- law 4
  constraint account_floor check (code is not null or balance - held + overdraft_limit >= 0),
  constraint closed_at_zero check (status <> 'closed' or (balance = 0 and held = 0))
) with (fillfactor = 70);  -- room for the next version of a row on its own page: balances change without touching an index
create index accounts_by_user on accounts (book, user_id, id) where user_id is not null;

create table payments (
  book            integer        not null,
  id              uuid           not null,
  kind            text           not null,
  status          text           not null,
  decline_reason  text,
  from_account    uuid           not null,
  to_account      uuid           not null,
  currency        text           not null,
  amount          numeric(38, 0) not null,
  fee             numeric(38, 0) not null,
  fee_payer       text           not null,
  refunded_amount numeric(38, 0) not null default 0,
  refund_of       uuid,
  capture         text           not null default 'automatic',
  expires_at      timestamptz,
  rail            text,
  rail_reference  text,
  description     text,
  metadata        jsonb          not null,
  made_by         uuid,                     -- the user whose token asked for it: the owner, or an operator; null for the gateway itself
  asynchronous    boolean        not null,  -- answered as `initiated` first: what a repeat of the request is answered with
  idempotency_key uuid,                     -- digest of who asked and the key
  request_hash    uuid,                     -- digest of what was asked with it
  created_at      timestamptz    not null,
  completed_at    timestamptz,
  updated_at      timestamptz    not null,
  primary key (book, id),
  check (kind in ('transfer', 'deposit', 'withdrawal', 'conversion', 'refund', 'bonus', 'adjustment')),
  check (status in ('initiated', 'pending', 'completed', 'declined', 'canceled', 'failed', 'expired')),
  check ((status = 'declined') = (decline_reason is not null)),
  check ((status = 'completed') = (completed_at is not null)),
  check (fee_payer in ('sender', 'receiver')),
  check (capture in ('automatic', 'manual')),
  check (amount > 0 and fee >= 0 and (fee_payer = 'sender' or fee < amount)),
  check (refunded_amount between 0 and amount),
  check ((idempotency_key is null) = (request_hash is null))
);
create unique index payments_idempotency on payments (book, idempotency_key) where idempotency_key is not null;
create index payments_by_sender on payments (book, from_account, id);
create index payments_by_receiver on payments (book, to_account, id);

-- The payments that a worker has still to post. A table of its own keeps `status` out of every index of payments.
create table initiated (
  book       integer     not null,
  payment_id uuid        not null,
  attempt_at timestamptz not null,  -- not before this; moved on where posting failed by a fault
  primary key (book, payment_id)
);

-- Law 5: rows are only ever added. `id` carries the microsecond of the posting, so its order is the order of time.
create table postings (
  book           integer        not null,
  id             uuid           not null,
  payment_id     uuid           not null,
  kind           text           not null,
  currency       text           not null,
  amount         numeric(38, 0) not null,
  debit_account  uuid           not null,  -- gains
  credit_account uuid           not null,  -- loses
  debit_balance  numeric(38, 0),           -- the account's balance behind this posting; null for a technical account
  credit_balance numeric(38, 0),
  created_at     timestamptz    not null,
  primary key (book, id),
  check (kind in ('transfer', 'deposit', 'withdrawal', 'conversion', 'refund', 'bonus', 'adjustment', 'fee')),
  check (amount > 0),
  check (debit_account <> credit_account)
);
create index postings_by_debit on postings (book, debit_account, id);
create index postings_by_credit on postings (book, credit_account, id);
create index postings_by_payment on postings (book, payment_id);

-- One side of a posting, seen from one account: money in (debit) or out (credit).
create view operations as
  select book, id as posting_id, 'debit' as direction, debit_account as account_id, payment_id, kind, currency, amount,
         debit_balance as balance_after, created_at
    from postings
  union all
  select book, id, 'credit', credit_account, payment_id, kind, currency, amount, credit_balance, created_at
    from postings;

-- A payment, once for each account that takes part in it.
create view account_payments as
  select from_account as account_id, 'from' as side, p.* from payments p
  union all
  select to_account, 'to', p.* from payments p;

-- Every change of a payment or an account, in the transaction that made it. Delivered in the order (txid, id).
create table events (
  book       integer     not null,
  txid       xid8        not null default pg_current_xact_id(),
  id         uuid        not null,
  type       text        not null,
  object_id  uuid        not null,
  created_at timestamptz not null,
  primary key (book, txid, id)
);

-- The first answer to each request that creates something else than a payment. Payments carry their own key.
create table idempotency_keys (
  book         integer     not null,
  key          uuid        not null,
  request_hash uuid        not null,
  status       smallint    not null,
  answer       jsonb       not null,
  created_at   timestamptz not null,
  primary key (book, key)
);

create table audit_log (
  book       integer     not null,
  id         uuid        not null,
  actor_id   uuid,                  -- null: the operator at the machine, by `npm run admin`
  token_id   uuid,
  action     text        not null,
  object_id  uuid,
  detail     jsonb       not null,
  address    text,
  request_id text,
  created_at timestamptz not null,
  primary key (book, id)
);

-- What the server may do. It connects with a role that can add to the books and never rewrite them (law 5).
grant usage on schema public to billing_gateway;
grant select, insert on all tables in schema public to billing_gateway;
grant update (email, email_key, password_hash, confirmed_at, role, all_books) on users to billing_gateway;
grant update (last_used_at, revoked_at) on tokens to billing_gateway;
grant update (used_at) on mail_tokens to billing_gateway;
grant update (balance, held, overdraft_limit, status, name, metadata, updated_at) on accounts to billing_gateway;
grant update (status, decline_reason, refunded_amount, rail_reference, completed_at, updated_at) on payments to billing_gateway;
grant update (attempt_at) on initiated to billing_gateway;
grant delete on session_changes, initiated, idempotency_keys to billing_gateway;
revoke insert on operations, account_payments, schema_migrations from billing_gateway;
