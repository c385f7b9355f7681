-- Which accounts of a user can be paid to, oldest first in each currency, however many others there are.
create index accounts_to_pay on accounts (book, user_id, currency, id) where user_id is not null and status = 'active';
