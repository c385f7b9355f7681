-- Technical accounts are few among many: the operators' list finds them by their code. Users' accounts are not in it.
create index accounts_by_code on accounts (book, code, id) where code is not null;
