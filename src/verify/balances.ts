import { NIL } from '../ledger/id.ts'
import { sumsOf } from '../reports/totals.ts'
import type { Check } from './laws.ts'

/** Both sides of each posting of the book, from their table: the view that lists show can be made to say anything. */
const OPERATIONS = `(
          select id as posting_id, payment_id, 'debit' as direction, debit_account as account_id, currency, amount,
                 debit_balance as balance_after
            from postings
           where book = $1
          union all
          select id, payment_id, 'credit', credit_account, currency, amount, credit_balance
            from postings
           where book = $1)`

/** Laws 1, 2 and 4: of accounts, and of what is kept of their sums. */
export const BALANCES: readonly Check[] = [
  {
    law: 1,
    rule: 'the balances of all accounts in a currency sum to zero',
    sql: `
      select null::uuid as account, null::uuid as payment, null::uuid as posting, a.currency, c.digits,
             '0' as expected, sum(a.balance)::text as found
        from accounts a
        left join currencies c on c.book = a.book and c.code = a.currency
       where a.book = $1
       group by a.currency, c.digits
      having sum(a.balance) <> 0`,
  },
  {
    law: 2,
    rule: 'a balance is the sum of the account’s postings',
    sql: `
      with moved as (
        select account_id, sum(case direction when 'debit' then amount else -amount end) as total
          from ${OPERATIONS} o
         group by account_id
      )
      select a.id as account, null::uuid as payment, null::uuid as posting, a.currency, c.digits,
             coalesce(m.total, 0)::text as expected, a.balance::text as found
        from accounts a
        left join currencies c on c.book = a.book and c.code = a.currency
        left join moved m on m.account_id = a.id
       where a.book = $1 and a.balance <> coalesce(m.total, 0)`,
  },
  {
    // An account's own balance stands at the end of its postings, as a movement of nothing.
    law: 2,
    rule: 'each running balance follows from the one before, and the balance is the last of them',
    sql: `
      with steps as (
        select account_id, posting_id, payment_id, currency,
               case direction when 'debit' then amount else -amount end as moved, balance_after
          from ${OPERATIONS} o
         where balance_after is not null
        union all
        select id, null, null, currency, 0, balance
          from accounts
         where book = $1 and user_id is not null
      ), running as (
        select *, coalesce(lag(balance_after) over earlier, 0) + moved as expected
          from steps
        window earlier as (partition by account_id order by posting_id nulls last)
      )
      select r.account_id as account, r.payment_id as payment, r.posting_id as posting, r.currency, c.digits,
             r.expected::text as expected, r.balance_after::text as found
        from running r
        left join currencies c on c.book = $1 and c.code = r.currency
       where r.balance_after <> r.expected`,
  },
  {
    law: 2,
    rule: 'a posting has a running balance for a user’s account, and none for a technical one',
    sql: `
      select o.account_id as account, o.payment_id as payment, o.posting_id as posting, o.currency, c.digits,
             case when a.code is null then 'a running balance' else 'none' end as expected,
             coalesce(o.balance_after::text, 'none') as found
        from ${OPERATIONS} o
        join accounts a on a.book = $1 and a.id = o.account_id
        left join currencies c on c.book = $1 and c.code = o.currency
       where (o.balance_after is null) <> (a.code is not null)`,
  },
  {
    law: 2,
    rule: 'all totals kept for reports are the sums and numbers of the postings before them',
    sql: `
      with steps as (
        select before, lag(before, 1, '${NIL}'::uuid) over (order by before) as after
          from (select distinct before from posting_totals where book = $1) kept
      ), kept as (
        select before, currency, kind, debit, credit, sum(postings) as postings, sum(amount) as amount
          from (select before, currency, kind, debit, credit, postings, amount from posting_totals where book = $1
                 union all
                select s.before, t.currency, t.kind, t.debit, t.credit, -t.postings, -t.amount
                  from steps s
                  join posting_totals t on t.book = $1 and t.before = s.after) step
         group by 1, 2, 3, 4, 5
      ), posted as (
        select s.before, sums.* from steps s cross join lateral (${sumsOf('s.after', 's.before')}) sums
      )
      select null::uuid as account, null::uuid as payment, null::uuid as posting, currency, c.digits,
             case when kept.amount = posted.amount then posted.postings || ' postings'
                  else coalesce(posted.amount, 0)::text end as expected,
             case when kept.amount = posted.amount then kept.postings || ' postings'
                  else coalesce(kept.amount, 0)::text end as found
        from kept
        full join posted using (before, currency, kind, debit, credit)
        left join currencies c on c.book = $1 and c.code = currency
       where coalesce(kept.amount, 0) <> coalesce(posted.amount, 0)
          or coalesce(kept.postings, 0) <> coalesce(posted.postings, 0)`,
  },
  {
    law: 2,
    rule: 'what is held is the sum of the pending payments out of a user’s account',
    sql: `
      with pending as (
        select p.from_account, sum(p.amount + case p.fee_payer when 'sender' then p.fee else 0 end) as total
          from payments p
          left join accounts f on f.book = p.book and f.id = p.from_account
         where p.book = $1 and p.status = 'pending' and f.code is null
         group by p.from_account
      )
      select coalesce(a.id, p.from_account) as account, null::uuid as payment, null::uuid as posting, a.currency, c.digits,
             coalesce(p.total, 0)::text as expected, coalesce(a.held::text, 'no account') as found
        from (select * from accounts where book = $1) a
        full join pending p on p.from_account = a.id
        left join currencies c on c.book = a.book and c.code = a.currency
       where a.held is distinct from coalesce(p.total, 0)`,
  },
  {
    law: 2,
    rule: 'what is in suspense is the sum of the items that wait for an operator',
    sql: `
      with items as (
        select currency, sum(case direction when 'in' then amount else -amount end) as total
          from suspense_items
         where book = $1 and resolved_by is null
         group by currency
      )
      select a.id as account, null::uuid as payment, null::uuid as posting, coalesce(a.currency, i.currency) as currency,
             c.digits, coalesce(i.total, 0)::text as expected, coalesce(a.balance::text, 'no account') as found
        from (select * from accounts where book = $1 and code = 'suspense') a
        full join items i on i.currency = a.currency
        left join currencies c on c.book = $1 and c.code = coalesce(a.currency, i.currency)
       where a.balance is distinct from coalesce(i.total, 0)`,
  },
  {
    law: 4,
    rule: 'what a user’s account has available is not below zero',
    sql: `
      select a.id as account, null::uuid as payment, null::uuid as posting, a.currency, c.digits,
             'at least 0' as expected, (a.balance - a.held + a.overdraft_limit)::text as found
        from accounts a
        left join currencies c on c.book = a.book and c.code = a.currency
       where a.book = $1 and a.user_id is not null and a.balance - a.held + a.overdraft_limit < 0`,
  },
]
