-- Where withdrawals go, sealed with the gateway's key already, and what is shown of it, under the key of the account's owner.

create function account_owner(of_book integer, of_account uuid) returns uuid
  language sql stable strict
  return (select a.user_id from accounts a where a.book = of_book and a.id = of_account);
revoke all on function account_owner from public;
grant execute on function account_owner to billing_gateway;

update rail_instructions r
   set account_id = case r.direction when 'in' then p.to_account else p.from_account end
  from payments p
 where p.book = r.book and p.id = r.payment_id and r.account_id is null;
alter table rail_instructions
  alter column destination type bytea
    using stored_text(book, account_owner(book, account_id), encode(destination, 'base64')),
  alter column shown type bytea using stored_text(book, account_owner(book, account_id), shown);
