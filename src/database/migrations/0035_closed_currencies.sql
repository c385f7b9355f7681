-- Currencies that a book adds and closes while it runs (docs/ledger.md, Money). A closed one stays: what was booked in it
-- is there, and what is left of it can be paid out.
alter table currencies add column closed_at timestamptz;

-- Read by every batch; most books have none.
create index currencies_closed on currencies (book, code) where closed_at is not null;

grant update (closed_at) on currencies to billing_gateway;
