import type { FastifyError, FastifyReply, FastifyRequest, FastifySchemaValidationError } from 'fastify'
import { isPoolExhausted, isRaceLost, isUnavailable, UnknownOutcome } from '../database/faults.ts'
import { QueryError } from '../database/list_fields.ts'
import { Refused } from '../payments/refusals.ts'
import { ApiError, ERRORS, type ErrorCode, type FieldError, inputError, MOST_ERRORS } from './errors.ts'
import { SHAPE } from './schemas.ts'

/** The body of an error: RFC 9457, with a stable `code`. */
export type Problem = {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly request_id?: string
  readonly errors: readonly FieldError[]
}

export function problemOf(error: ApiError, requestId?: string): Problem {
  const [status, title] = ERRORS[error.code]
  return {
    type: `urn:billing-gateway:problem:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    ...(requestId === undefined ? {} : { request_id: requestId }),
    errors: error.errors,
  }
}

/** What any error is to a caller. A fault tells nothing of itself: it goes to the log. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  if (error instanceof QueryError) {
    const { parameter: field, message: detail } = error
    return inputError([{ field, code: 'invalid_query', detail }])
  }
  if (error instanceof Refused) return new ApiError(error.reason, undefined, [], { cause: error })
  if (error instanceof UnknownOutcome) return new ApiError('outcome_unknown', undefined, [], { cause: error })
  if (isPoolExhausted(error)) return new ApiError('overloaded', undefined, [], { cause: error })
  if (isUnavailable(error) || isRaceLost(error)) return new ApiError('unavailable', undefined, [], { cause: error })
  const { validation, validationContext, code, statusCode } = error as FastifyError
  if (validation) return validationErrors(validation, validationContext ?? 'body')
  const known = FRAMEWORK_ERRORS[code]
  if (known) return new ApiError(known)
  if (statusCode === 400) return new ApiError('malformed_body')
  return new ApiError('internal', undefined, [], { cause: error })
}

/** The mistakes that a schema found. `context` is where: body, querystring, params or headers. */
export function validationErrors(issues: readonly FastifySchemaValidationError[], context: string): ApiError {
  const mistyped = new Set(issues.flatMap(({ keyword, instancePath }) => (keyword === 'type' ? [instancePath] : [])))
  // What is no text is none of the words allowed either: that is one mistake, not two.
  const mistakes = issues.filter(({ keyword, instancePath }) => keyword !== 'enum' || !mistyped.has(instancePath))
  return inputError(mistakes.slice(0, MOST_ERRORS).map((issue) => fieldErrorOf(issue, context)))
}

/** What the headers of an answer say of an error: RFC 9457 §3, when to come back, and what to speak instead. */
export function problemHeaders({ status, code }: Problem): Record<string, string> {
  return {
    'content-type': 'application/problem+json',
    ...(status === 503 && { 'retry-after': '1' }),
    ...(code === 'too_many_attempts' && { 'retry-after': '900' }),
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    // RFC 9110 §15.5.22, RFC 6455 §4.4.
    ...(status === 426 && { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' }),
  }
}

/** Answers with an error, and logs what is our fault. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // Serialised here: the schemas of the route's answers are for its answers.
  return reply.send(JSON.stringify(beginProblem(error, request, reply)))
}

/** Sets status and headers of an answer with an error, and logs what is our fault. */
export function beginProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): Problem {
  const problem = problemOf(toApiError(error), request.id)
  if (problem.status >= 500) request.log[problem.status === 500 ? 'error' : 'warn']({ err: error }, problem.code)
  const later = reply.getHeader('retry-after')
  reply.code(problem.status).headers(problemHeaders(problem))
  // Whoever refused may have known better when to come back.
  if (later !== undefined) reply.header('retry-after', later)
  return problem
}

const FRAMEWORK_ERRORS: Record<string, ErrorCode | undefined> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_body',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed_body',
  FST_ERR_BAD_URL: 'not_found',
  FST_ERR_MAX_PARAM_LENGTH: 'not_found',
}

/** Formats of our schemas whose violation has a code of its own, also where the value is not even a string. */
const FORMAT_CODES: Record<string, { code: ErrorCode; detail: string } | undefined> = {
  amount: { code: 'invalid_amount', detail: 'must be a decimal string such as "12.30"' },
  email: { code: 'invalid_value', detail: 'must be an e-mail address' },
  'date-time': { code: 'invalid_value', detail: 'must be a time such as 2026-01-31T12:00:00Z' },
  currency: { code: 'invalid_value', detail: 'must be a currency code such as USD' },
}

const TYPES: Record<string, string | undefined> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
}

const many = (count: number, one: string, several = `${one}s`) => `${count} ${count === 1 ? one : several}`

/** What a value must be, by the keyword of its schema that it goes against, of which the validator has words of its own. */
const DETAILS: Record<string, ((params: IssueParams, schema: IssueSchema) => string) | undefined> = {
  type: ({ type }) =>
    `must be ${[type]
      .flat()
      .map((name) => TYPES[name] ?? name)
      .join(' or ')}`,
  enum: ({ allowedValues }) => `must be one of ${allowedValues.map(String).join(', ')}`,
  pattern: ({ pattern }, schema) => `must be ${schema[SHAPE] ?? `written as ${pattern}`}`,
  minLength: ({ limit }) => `must have at least ${many(limit, 'character')}`,
  maxLength: ({ limit }) => `must have at most ${many(limit, 'character')}`,
  minItems: ({ limit }) => `must have at least ${many(limit, 'entry', 'entries')}`,
  maxItems: ({ limit }) => `must have at most ${many(limit, 'entry', 'entries')}`,
  uniqueItems: ({ i, j }) => `has the same entry at ${i} and ${j}`,
  minProperties: ({ limit }) => `must have at least ${many(limit, 'field')}`,
  maxProperties: ({ limit }) => `must have at most ${many(limit, 'field')}`,
  minimum: ({ limit }) => `must be at least ${limit}`,
  maximum: ({ limit }) => `must be at most ${limit}`,
}

/** What the validator says with each of these keywords. */
type IssueParams = {
  readonly type: string | readonly string[]
  readonly allowedValues: readonly unknown[]
  readonly pattern: string
  readonly limit: number
  readonly i: number
  readonly j: number
}

type IssueSchema = { readonly format?: string; readonly [SHAPE]?: string }

function fieldErrorOf(issue: FastifySchemaValidationError, context: string): FieldError {
  const path = issue.instancePath.slice(1).replaceAll('/', '.')
  const inside = (name: unknown) => (path === '' ? String(name) : `${path}.${name}`)
  const { parentSchema: schema = {} } = issue as { readonly parentSchema?: IssueSchema }
  const ofFormat = FORMAT_CODES[schema.format ?? '']
  if (issue.keyword === 'required') {
    return { field: inside(issue.params.missingProperty), code: 'missing_field', detail: 'is required' }
  }
  if (issue.keyword === 'additionalProperties') {
    const field = inside(issue.params.additionalProperty)
    // Where keys are the caller's own, as in metadata, one that is refused is no field that is not known.
    if (schema[SHAPE]) return { field, code: 'invalid_value', detail: `has a key that must be ${schema[SHAPE]}` }
    return { field, code: 'unknown_field', detail: 'is not a field here' }
  }
  const field = path === '' ? context : path
  const detail = DETAILS[issue.keyword]?.(issue.params as IssueParams, schema) ?? issue.message ?? 'is not allowed'
  if (context === 'headers') return { field, code: 'invalid_header', detail }
  if (context === 'querystring') {
    // Every parameter is a text; only one that is said twice comes as anything else.
    const isTwice = issue.keyword === 'type'
    return { field, code: 'invalid_query', detail: isTwice ? 'is given more than once' : (ofFormat?.detail ?? detail) }
  }
  const prefix = /^([a-z]{3})_id$/.exec(schema.format ?? '')?.[1]
  if (prefix) return { field, code: 'invalid_id', detail: `must be an id such as ${prefix}_…` }
  if (ofFormat) return { field, ...ofFormat }
  return { field, code: issue.keyword === 'type' ? 'invalid_type' : 'invalid_value', detail }
}
