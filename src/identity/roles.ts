// Who somebody is in the books, and what a token of theirs can be good for. What each call needs: http/access.ts.

/** `admin`: an operator; `auditor`: sees what operators see, and changes nothing. Each may more than the one before. */
export const ROLES = ['user', 'auditor', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** What a token may be used for (api.md, Identity). */
export const SCOPES = [
  'accounts:read',
  'payments:read',
  'payments:write',
  'webhooks:write',
  'tokens:write',
  'admin:read',
  'admin',
] as const
export type Scope = (typeof SCOPES)[number]

const READS = ['accounts:read', 'payments:read', 'tokens:write'] as const
const PAYS = [...READS, 'payments:write', 'webhooks:write'] as const

/** Which scopes a role can have: an auditor sees what an operator sees, and moves nothing, their own money neither. */
export const ROLE_SCOPES: Readonly<Record<Role, ReadonlySet<Scope>>> = {
  user: new Set(PAYS),
  auditor: new Set([...READS, 'admin:read']),
  admin: new Set([...PAYS, 'admin:read', 'admin']),
}

/** The scopes that a user of this role can give to a token. */
export function scopesOf(role: Role): Scope[] {
  return SCOPES.filter((scope) => ROLE_SCOPES[role].has(scope))
}

/**
 * What a token with these scopes is good for while its user has this role. Whoever may operate may see, too; an operator
 * who is frozen may see only.
 */
export function scopesIn(role: Role, given: readonly Scope[], frozen: boolean): ReadonlySet<Scope> {
  const all: readonly Scope[] = given.includes('admin') ? [...given, 'admin:read'] : given
  const good = SCOPES.filter(
    (scope) => all.includes(scope) && ROLE_SCOPES[role].has(scope) && !(frozen && scope === 'admin'),
  )
  const name = good.join(' ')
  const known = SETS.get(name)
  if (known) return known
  const set = new Set(good)
  SETS.set(name, set)
  return set
}

/** One set for each choice of scopes, however many tokens have it. */
const SETS = new Map<string, ReadonlySet<Scope>>()
