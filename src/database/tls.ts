import { urlsOf } from './hosts.ts'

/** What `sslmode` may be in DATABASE_URL, and what it is taken as (docs/deployment.md, TLS to the database). */
const MODES: Readonly<Record<string, string | undefined>> = {
  disable: 'disable',
  // Encrypted, to whoever answers.
  'no-verify': 'no-verify',
  // The certificate and the name in it are checked: nobody who asks for TLS gets less.
  require: 'verify-full',
  'verify-ca': 'verify-full',
  'verify-full': 'verify-full',
}

/**
 * The URL with an `sslmode` that means one thing, whatever the driver makes of the others in some later version. What is
 * wrong with it where that cannot be.
 */
export function withPlainTls(url: string): { readonly url: string } | { readonly wrong: string } {
  const { searchParams } = new URL(urlsOf(url)[0])
  if (searchParams.has('uselibpqcompat')) return { wrong: 'may not have uselibpqcompat' }
  // The driver takes the last of two, and nobody can say which was meant.
  if (searchParams.getAll('sslmode').length > 1) return { wrong: 'has sslmode more than once' }
  const asked = searchParams.get('sslmode')
  if (asked === null) {
    const halfDone = ['sslrootcert', 'sslcert', 'sslkey'].find((name) => searchParams.has(name))
    return halfDone ? { wrong: `has ${halfDone} without an sslmode` } : { url }
  }
  const mode = MODES[asked]
  if (!mode) return { wrong: `has sslmode=${asked}; there are ${Object.keys(MODES).join(', ')}` }
  return { url: url.replace(/([?&]sslmode=)[^&#]*/, `$1${mode}`) }
}
