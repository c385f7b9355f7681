-- How much may be paid (docs/fees-and-limits.md). A limit is set anew in its row; what was set before is in the audit log.
-- What was used of it is nowhere kept: it is counted from the payments themselves, so that it cannot be wrong.
create table payment_limits (
  book       integer        not null references books (book),
  id         uuid           not null,
  per        text           not null,  -- of a user's accounts in the currency together, or of one account
  user_id    uuid,                     -- for this one only, in place of the one for everybody
  account_id uuid,
  kind       text           not null,
  currency   text           not null,
  span       text           not null,  -- one payment, or those of so long before
  count      bigint,                   -- null: any number of them
  sum        numeric(38, 0),           -- null: any amount, in minor units
  made_by    uuid,
  created_at timestamptz    not null,
  updated_at timestamptz    not null,
  primary key (book, id),
  foreign key (book, currency) references currencies (book, code),
  foreign key (book, user_id) references users (book, id),
  foreign key (book, account_id) references accounts (book, id),
  constraint payment_limits_once unique nulls not distinct (book, user_id, account_id, per, kind, currency, span),
  check (per = 'user' and account_id is null or per = 'account' and user_id is null),
  check (kind in ('transfer', 'conversion', 'deposit', 'withdrawal')),
  check (span in ('payment', 'day', 'month')),
  check (count >= 0 and sum >= 0),
  check (span <> 'payment' or count is null)
);
create index payment_limits_by_account on payment_limits (book, account_id) where account_id is not null;

-- A row for each user with a limit over several accounts: payments out of one account take turns by its row, payments out
-- of several by this one. It names no user by a foreign key, whose lock would come behind those of accounts.
create table limit_turns (
  book     integer     not null,
  user_id  uuid        not null,
  taken_at timestamptz not null,
  primary key (book, user_id)
) with (fillfactor = 50);

grant select, insert, delete on payment_limits to billing_gateway;
grant update (count, sum, made_by, updated_at) on payment_limits to billing_gateway;
grant select, insert on limit_turns to billing_gateway;
grant update (taken_at) on limit_turns to billing_gateway;
