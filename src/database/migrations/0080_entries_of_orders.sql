-- Movements at a bank that are parts of one booking for a whole order: its order, so that the same payments told one by
-- one in another file are known again.
alter table bank_entries add column batch_id uuid;
alter table bank_entries add constraint bank_entries_book_batch_id_fkey
  foreign key (book, batch_id) references wire_batches (book, id) not valid;
alter table bank_entries validate constraint bank_entries_book_batch_id_fkey;
create index bank_entries_of_order on bank_entries (book, account, end_to_end_id) where batch_id is not null;
