-- The sums of all postings up to a moment, by currency, kind and the kinds of both accounts: what reports and the balances
-- of technical accounts at any time are read from. A moment is there every few thousand postings and at the end of each
-- day, so that from the last one before any time only few postings are left to add. They are made behind what is settled,
-- off the hot path, and can be made anew from the postings.
create table posting_totals (
  book     integer        not null,
  before   uuid           not null,  -- of the postings with smaller ids than this
  currency text           not null,
  kind     text           not null,
  debit    text           not null,  -- the code of the technical account that gained, or 'user'
  credit   text           not null,
  postings bigint         not null,
  amount   numeric(60, 0) not null,
  primary key (book, before, currency, kind, debit, credit),
  check (postings > 0 and amount > 0)
);

grant select, insert on posting_totals to billing_gateway;
