-- A statement and a notice that tell of one movement may know it by different keys, as only one of them gives the bank's
-- reference: the second key is kept beside the first, and the movement is no other one's any more (docs/wire.md).
alter table bank_entries add column other_key bytea;
create index bank_entries_by_other_key on bank_entries (book, account, other_key) where other_key is not null;
grant update (other_key) on bank_entries to billing_gateway;
