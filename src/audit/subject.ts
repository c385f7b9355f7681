/** Whom a line `l` of the audit log is about, and whose its address is, as SQL; null where it is about no user. */
export const SUBJECT = 'line_subject(l.action, l.object_id, l.actor_id)'
export const ADDRESS_OWNER = `address_owner(${SUBJECT}, l.actor_id)`

/** What a line says, and from where it was written: texts of whom it is about, as SQL. */
export const DETAIL = `coalesce(shown_text(l.book, ${SUBJECT}, l.detail), '{}')`
export const ADDRESS = `shown_text(l.book, ${ADDRESS_OWNER}, l.address)`
