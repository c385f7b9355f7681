-- Exchange rates: so many units of `to_currency` for one of `from_currency`, an exact fraction. Rows are only ever
-- added: the newest that is valid counts, so that what a rate was at any time can be told. The currencies need not be
-- the book's: rates are crossed through one that nobody may hold.
create table rates (
  book          integer        not null references books (book),
  id            uuid           not null,
  from_currency text           not null,
  to_currency   text           not null,
  numerator     numeric(38, 0) not null,
  denominator   numeric(38, 0) not null,
  source        text           not null,  -- ecb: a reference-rate file; operator: by hand
  valid_from    timestamptz    not null,
  made_by       uuid,                     -- the operator; null at the machine
  created_at    timestamptz    not null,
  primary key (book, id),
  check (from_currency ~ '^[A-Z][A-Z0-9]{2,7}$' and to_currency ~ '^[A-Z][A-Z0-9]{2,7}$'),
  check (from_currency <> to_currency),
  check (numerator > 0 and denominator > 0),
  check (source in ('ecb', 'operator'))
);
create index rates_by_pair on rates (book, from_currency, to_currency, valid_from, id);
-- A file may be imported again: a day's rate is there once.
create unique index rates_of_files on rates (book, from_currency, to_currency, valid_from) where source = 'ecb';

-- A rate that was promised to a user for a while, for two amounts. It is used by at most one payment.
create table quotes (
  book          integer        not null references books (book),
  id            uuid           not null,
  user_id       uuid           not null,
  from_currency text           not null,
  to_currency   text           not null,
  from_amount   numeric(38, 0) not null,
  to_amount     numeric(38, 0) not null,
  rate          text           not null,  -- as shown: mid_rate less the spread
  mid_rate      text           not null,  -- as shown: what the house went by
  source        text           not null,
  valid_from    timestamptz    not null,  -- of the rate that the house went by
  expires_at    timestamptz    not null,
  used_by       uuid,                     -- the payment
  created_at    timestamptz    not null,
  primary key (book, id),
  foreign key (book, user_id) references users (book, id),
  foreign key (book, from_currency) references currencies (book, code),
  foreign key (book, to_currency) references currencies (book, code),
  check (from_currency <> to_currency),
  check (from_amount > 0 and to_amount > 0)
);

grant select, insert on rates, quotes to billing_gateway;
grant update (used_by) on quotes to billing_gateway;
