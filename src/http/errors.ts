/** Every error code of the API, with its status and what it says. The docs and the OpenAPI document come from this list. */
export const ERRORS = {
  malformed_request: [400, 'The request is not well-formed HTTP, or did not arrive in time'],
  invalid_request: [400, 'The request has more than one mistake; see errors'],
  malformed_body: [400, 'The body is not well-formed JSON in UTF-8, or names a field twice'],
  missing_field: [400, 'A field is missing'],
  unknown_field: [400, 'A field is not known'],
  invalid_type: [400, 'A field has the wrong type'],
  invalid_value: [400, 'A field has a value that is not allowed'],
  invalid_amount: [400, 'An amount is not a decimal string of its currency'],
  invalid_id: [400, 'A field holds no id of the type that it needs'],
  invalid_query: [400, 'The query has a parameter that is not understood'],
  invalid_header: [400, 'A header has a value that is not allowed'],
  invalid_token: [400, 'The token is unknown, used or too old'],
  invalid_file: [400, 'The file is broken; nothing of it was taken'],
  weak_password: [400, 'The password is one that is easily guessed'],
  unknown_currency: [400, 'The book does not have this currency'],
  unauthenticated: [401, 'A valid token is needed'],
  invalid_credentials: [401, 'The e-mail or the password is wrong'],
  otp_required: [401, 'A one-time password is needed too'],
  otp_invalid: [401, 'The one-time password is wrong, or was used already'],
  forbidden: [403, 'The token or the role does not allow this'],
  user_frozen: [403, 'The user is frozen, and may only read'],
  not_yourself: [403, 'This is for another operator to do'],
  email_unconfirmed: [403, 'The e-mail address must be confirmed first'],
  fresh_proof_required: [403, 'This needs a log-in or POST /v1/step-up of the last minutes'],
  not_found: [404, 'There is no such thing here'],
  account_closed: [409, 'The account is closed'],
  account_frozen: [409, 'The account is frozen'],
  currency_closed: [409, 'The currency is closed: nothing begins in it any more'],
  currency_exists: [409, 'The book has this currency already'],
  payment_not_pending: [409, 'The payment is not pending (any more); errors name its status'],
  not_capturable: [409, 'The payment was not made with manual capture'],
  not_refundable: [409, 'Only a completed transfer can be refunded'],
  not_sealed_yet: [409, 'The payment is in no block yet'],
  not_on_rail: [409, 'The payment is no deposit or withdrawal'],
  already_resolved: [409, 'The item is resolved already'],
  too_late_to_cancel: [409, 'The rail has begun, and does not let go of it any more'],
  schedule_over: [409, 'The schedule was canceled or has ended; errors name its status'],
  overdraft_in_use: [409, 'The account is further below zero, or holds more, than that limit allows'],
  approval_decided: [409, 'It is decided already'],
  approval_expired: [409, 'Nobody decided in time; it has to be asked for again'],
  last_operator: [409, 'The book would have no operator any more'],
  balance_not_zero: [409, 'The account closes only at a balance of zero'],
  webhook_disabled: [409, 'The webhook is disabled; enable it first'],
  too_many_webhooks: [409, 'A user has at most 16 webhooks'],
  too_many_streams: [409, 'A user has at most 100 streams and WebSockets open on a node'],
  otp_enrolled: [409, 'There is a second factor already; remove it first'],
  otp_not_enrolled: [409, 'There is no second factor'],
  book_exists: [409, 'There is a book of this name'],
  key_missing: [409, 'This was sealed with a key that this gateway does not have'],
  nothing_to_order: [409, 'No withdrawal waits that a bank would take'],
  no_rate: [409, 'No exchange rate is known for these currencies, or none that is new enough'],
  position_too_old: [410, 'Events from there on are not kept any more'],
  too_large: [413, 'The body is too large'],
  unsupported_media_type: [415, 'The body has a content type that is not supported here'],
  upgrade_required: [426, 'This is a WebSocket'],
  idempotency_key_reused: [422, 'The idempotency key was used for another request'],
  approval_required: [422, 'So much needs the approval of a second operator: make an adjustment'],
  amount_exceeds_hold: [422, 'More than is held cannot be captured'],
  payments_declined: [422, 'Some of the payments would be declined, so none was made; see errors'],
  too_many_payments: [422, 'One bulk request holds at most 10 000 payments'],
  too_many_attempts: [429, 'Too many attempts; try again later'],
  rate_limited: [429, 'Too many requests; Retry-After says when to come back'],
  internal: [500, 'Something went wrong here'],
  overloaded: [503, 'More is waiting than can be done soon; nothing was accepted'],
  unavailable: [503, 'The database is away; nothing was accepted'],
  outcome_unknown: [503, 'The outcome is not known; repeat the request with the same idempotency key'],
} as const satisfies Record<string, readonly [number, string]>

export type ErrorCode = keyof typeof ERRORS

/** One mistake in the input: where, what kind, and a sentence. */
export type FieldError = { readonly field: string; readonly code: ErrorCode; readonly detail: string }

/** A request that is refused. Becomes problem+json in one place (problem.ts). */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: ErrorCode
  readonly errors: readonly FieldError[]

  constructor(code: ErrorCode, detail?: string, errors: readonly FieldError[] = [], options?: ErrorOptions) {
    super(detail ?? ERRORS[code][1], options)
    this.code = code
    this.errors = errors
  }
}

/** Of a moment that has only just been: a transaction is under way that may still add to it. */
export function notSettledError(): ApiError {
  return new ApiError('overloaded', 'What was posted is not settled yet')
}

/** So many mistakes are told: who makes more of them knows enough to begin with. */
export const MOST_ERRORS = 100

/** The error of one or more mistakes: their own code where they share one. */
export function inputError(mistakes: readonly FieldError[]): ApiError {
  const errors = mistakes.slice(0, MOST_ERRORS)
  const [first] = errors
  if (!first) return new ApiError('invalid_request')
  const shared = errors.every(({ code }) => code === first.code)
  const detail = errors.length === 1 ? `${first.field} ${first.detail}` : undefined
  return new ApiError(shared ? first.code : 'invalid_request', detail, errors)
}

export function fieldError(field: string, code: ErrorCode, detail: string): ApiError {
  return inputError([{ field, code, detail }])
}
