import type { Mail } from './mail.ts'

/** What a user is told by mail, so that whoever did it instead of them is noticed. */
const NOTICES = {
  log_in: ['New log-in', 'Somebody logged in to your account'],
  new_token: ['New API token', 'A new API token was made for your account'],
  password: ['Your password was changed', 'The password of your account was changed'],
  email: ['Your e-mail address was changed', 'The e-mail address of your account was changed'],
  otp_on: ['Second factor added', 'One-time passwords were switched on for your account'],
  otp_off: ['Second factor removed', 'One-time passwords were switched off for your account'],
  recovery_codes: ['New recovery codes', 'New recovery codes were made for your account; the ones before are void'],
  closed: ['Your account is closed', 'Your account was closed for good'],
  erased: ['Your data are erased', 'Your account was closed, and your data began to be erased, for good'],
} as const satisfies Record<string, readonly [string, string]>

/** Which log-ins are told: every one but a user's first, those from a network address that is new, or none. */
export const LOGIN_NOTICES = ['always', 'new_address', 'never'] as const
export type LoginNotice = (typeof LOGIN_NOTICES)[number]

export type Notice = {
  readonly to: string
  readonly kind: keyof typeof NOTICES
  /** RFC 3339 UTC. */
  readonly at: string
  /** What more there is to know, such as from which network address; no secret. */
  readonly detail: string | null
}

const ADVICE = [
  'If this was you, there is nothing to do. If not, set a new password (which ends every session and token)',
  'and tell whoever runs this gateway.',
]
/** Where whoever reads it has no way in any more, and so could not set a password. */
const ADVICE_OUTSIDE: Partial<Record<Notice['kind'], readonly string[]>> = {
  email: [
    'If this was you, there is nothing to do. If not, tell whoever runs this gateway at once:',
    'from now on a new password is mailed to the new address only.',
  ],
  closed: ['If this was not you, tell whoever runs this gateway at once: nobody can log in any more.'],
  erased: ['If this was not you, tell whoever runs this gateway at once: nobody can log in any more.'],
}

/** The mail of a notice. */
export function noticeMail({ to, kind, at, detail }: Notice): Mail {
  const [subject, what] = NOTICES[kind]
  // A name of somebody's choosing is no line of its own.
  const more = detail === null ? '' : ` (${detail.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')})`
  const said = `${what} at ${at.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')}${more}.`
  return { to, subject, text: [said, '', ...(ADVICE_OUTSIDE[kind] ?? ADVICE)].join('\n') }
}
