-- What banks answer to orders (pain.002; docs/wire.md): a file like the others, with the order that it answers, and of each
-- payment that the bank rejects a rejection to be carried out.
alter table bank_files
  drop constraint bank_files_kind_check,
  add constraint bank_files_kind_check check (kind in ('camt.053', 'camt.054', 'pain.002')),
  add column batch_id uuid,   -- the order that it answers
  add column content  bytea,  -- SHA-256 of what it says of that, in whatever form it says it
  add column status   text,   -- what it says of all of it
  add constraint answer_has_order check ((kind = 'pain.002') = (batch_id is not null)
                                     and (batch_id is null) = (content is null)),
  add foreign key (book, batch_id) references wire_batches (book, id);
create unique index bank_files_by_batch on bank_files (book, batch_id, message_id) where batch_id is not null;

alter table wire_batch_payments
  add column rejection     text,  -- due until the payment has failed; ignored where it was over by then
  add column reject_reason text,
  add column rejected_by   uuid,  -- the file
  add constraint rejection_of_file check ((rejection is null) = (rejected_by is null)
                                      and (rejection is null) = (reject_reason is null)),
  add check (rejection in ('due', 'failed', 'ignored'));
create index wire_batch_payments_rejected on wire_batch_payments (book, payment_id) where rejection = 'due';

grant update (rejection, reject_reason, rejected_by) on wire_batch_payments to billing_gateway;
