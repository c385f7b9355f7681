-- Whether a statement has told of a movement that a notice told of first: what a later statement says in the same words
-- may then be another one (docs/wire.md).
alter table bank_entries add column stated boolean not null default false;
grant update (stated) on bank_entries to billing_gateway;
