-- Movements at banks are booked (docs/wire.md): what surely is a payment settles it, what belongs to none goes to
-- `suspense`, and the rest waits for an operator.
alter table suspense_items
  drop constraint suspense_items_reason_check,
  add constraint suspense_items_reason_check
    check (reason in ('unexpected', 'wrong_amount', 'late', 'twice', 'returned'));

create index suspense_items_by_payment on suspense_items (book, related_id) where related_id is not null;

alter table bank_files add column settled_at timestamptz;  -- when all of its movements were booked or listed
update bank_files set settled_at = created_at where book is not null;
create index bank_files_unsettled on bank_files (book, id) where settled_at is null;

-- What of its movements earlier files had brought into the books: positive is money in.
alter table bank_statements add column known_booked numeric(38, 0) not null default 0;

alter table bank_entries
  add column statement     integer not null default 0,  -- the number of its statement in the file
  add column told_key      bytea,                       -- what it says of itself by references of its payments
  add column return_reason text,                        -- why it came back, where it is a return
  add column suspense_id   uuid,
  drop constraint bank_entries_status_check,
  add constraint bank_entries_status_check check (status in ('due', 'unmatched', 'matched', 'ignored', 'suspense')),
  add constraint suspended_has_item check (status <> 'suspense' or suspense_id is not null);
-- A payment is confirmed by one movement.
create unique index bank_entries_of_payment on bank_entries (book, payment_id) where status = 'matched';
create index bank_entries_told on bank_entries (book, account, told_key) where told_key is not null;

grant update (payment_id, matched_by, suspense_id) on bank_entries to billing_gateway;
grant update (outcome, settled_at) on bank_files to billing_gateway;
