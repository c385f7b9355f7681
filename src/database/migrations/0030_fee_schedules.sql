-- What operators set for the payments of a book, beginning with what they cost (docs/fees-and-limits.md). Rows of
-- fee_schedules are only ever added: for each kind, currency and rail the newest that is valid counts, so that what a
-- payment of any time cost, and why, can be told. A payment keeps its fee, whatever comes after it.
create table fee_schedules (
  book       integer        not null references books (book),
  id         uuid           not null,
  kind       text           not null,
  currency   text           not null,
  rail       text,                     -- of a deposit or withdrawal
  percent    numeric(9, 0),            -- of the amount, in millionths of a per cent; null: from then on there is no schedule,
                                       -- and what the settings say counts again
  fixed      numeric(38, 0),           -- beside it; this and all amounts in minor units of the currency
  minimum    numeric(38, 0),
  maximum    numeric(38, 0),
  tiers      jsonb          not null,  -- [{"from", "percent", "fixed"}]: other parts from some amounts on, ascending
  valid_from timestamptz    not null,
  made_by    uuid,
  created_at timestamptz    not null,
  primary key (book, id),
  foreign key (book, currency) references currencies (book, code),
  check (kind in ('transfer', 'deposit', 'withdrawal')),
  check (rail in ('wire', 'wallet', 'crypto_currency')),
  check ((kind = 'transfer') = (rail is null)),
  check (percent between 0 and 100000000),
  check (fixed >= 0 and minimum >= 0 and maximum >= minimum),
  check (jsonb_typeof(tiers) = 'array'),
  constraint ends_whole check ((percent is null) = (fixed is null) and (percent is null) = (minimum is null)
                               and (percent is not null or maximum is null and tiers = '[]')),
  check (valid_from >= created_at)
);
create index fee_schedules_by_payment on fee_schedules (book, kind, currency, rail, valid_from, id);

-- Counts what was set in a book. Each batch reads it with its accounts, so that a node that keeps the rules of a book
-- knows whether they are still those that hold.
create table rule_versions (
  book    integer not null primary key references books (book),
  version bigint  not null
);

grant select, insert on fee_schedules, rule_versions to billing_gateway;
grant update (version) on rule_versions to billing_gateway;
