-- Whose the payments under way are, where their rows wait: a user's own that are initiated or pending are found by index,
-- and no index of payments holds their status (decision 6). What is final is in none of these.
alter table initiated
  add column from_account uuid,
  add column to_account   uuid;
update initiated i set from_account = p.from_account, to_account = p.to_account
  from payments p
 where p.book = i.book and p.id = i.payment_id;
alter table initiated
  alter column from_account set not null,
  alter column to_account   set not null;
create index initiated_by_sender   on initiated (book, from_account, payment_id);
create index initiated_by_receiver on initiated (book, to_account, payment_id);

alter table holds
  add column from_account uuid,
  add column to_account   uuid;
update holds h set from_account = p.from_account, to_account = p.to_account
  from payments p
 where p.book = h.book and p.id = h.payment_id;
alter table holds
  alter column from_account set not null,
  alter column to_account   set not null;
create index holds_by_sender   on holds (book, from_account, payment_id);
create index holds_by_receiver on holds (book, to_account, payment_id);

-- Money that comes in by a rail is in holds; what goes out is here, until it is done.
alter table rail_instructions add column account_id uuid;  -- the user's; null for those that were done before
update rail_instructions r set account_id = case r.direction when 'in' then p.to_account else p.from_account end
  from payments p
 where p.book = r.book and p.id = r.payment_id and r.state <> 'done';
create index rail_instructions_open_by_account on rail_instructions (book, account_id, payment_id)
 where direction = 'out' and state <> 'done';
