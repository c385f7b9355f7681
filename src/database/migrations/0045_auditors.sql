-- Auditors: see what operators see, and change nothing.

alter table users
  drop constraint users_role_check,
  drop constraint users_check,
  add constraint users_role_check check (role in ('user', 'auditor', 'admin')),
  add constraint all_books_of_operators check (not all_books or role <> 'user');
