-- Freezing, of accounts and of users. A user's freeze stands on their accounts, too: whoever posts locks these, and nothing
-- else has to be read for it.

alter table users
  add column frozen text,  -- what their accounts refuse: 'out' or 'all'; null for a user who is not frozen
  add constraint users_frozen check (frozen in ('out', 'all'));

alter table accounts
  add column frozen_itself    text,  -- the same, by a freeze of this account
  add column frozen_with_user text,  -- the same, by one of its user
  add column refuse_incoming  boolean not null default false;

update accounts a set frozen_itself = 'out' from books b where a.book = b.book and a.status = 'frozen';

-- `status` and `refuse_incoming` are what posting goes by, the other two are why.
alter table accounts
  add constraint accounts_frozen check (frozen_itself in ('out', 'all') and frozen_with_user in ('out', 'all')),
  add constraint frozen_for_a_reason
    check (status = 'closed' or (status = 'frozen') = (coalesce(frozen_itself, frozen_with_user) is not null)),
  add constraint refused_for_a_reason
    check (refuse_incoming = (frozen_itself is not distinct from 'all' or frozen_with_user is not distinct from 'all'));

grant update (frozen) on users to billing_gateway;
grant update (frozen_itself, frozen_with_user, refuse_incoming) on accounts to billing_gateway;
