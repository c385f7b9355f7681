-- Each rail is told by itself: what is due on one is found without going through what is due on another.

create index rail_instructions_due_by_rail on rail_instructions (book, rail, attempt_at, payment_id) where attempt_at is not null;
drop index rail_instructions_due;
alter index rail_instructions_due_by_rail rename to rail_instructions_due;
