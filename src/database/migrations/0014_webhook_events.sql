-- An event of a webhook is seen by its owner, as one of an account is.
create or replace view event_viewers as
  select distinct e.book, e.txid, e.id, a.user_id
    from events e
    join payments p on p.book = e.book and p.id = e.object_id
   cross join lateral (values (p.from_account), (p.to_account)) as side (account_id)
    join accounts a on a.book = e.book and a.id = side.account_id
   where a.user_id is not null
  union all
  select e.book, e.txid, e.id, a.user_id
    from events e
    join accounts a on a.book = e.book and a.id = e.object_id
   where a.user_id is not null
  union all
  select e.book, e.txid, e.id, w.user_id
    from events e
    join webhooks w on w.book = e.book and w.id = e.object_id;
