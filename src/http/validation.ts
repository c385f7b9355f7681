import { Ajv, type ErrorObject } from 'ajv'
import type { FastifyRequest, FastifySchema } from 'fastify'
import type { Static, TSchema } from 'typebox'
import { ApiError, fieldError, inputError } from './errors.ts'
import { validationErrors } from './problem.ts'
import { type App, OPTIONAL_BODY } from './route.ts'
import { formats } from './schemas.ts'

// What a schema refuses is refused: nothing is coerced, dropped or filled in.
const ajv = new Ajv({ allErrors: true, verbose: true, strict: false, formats })

type Check = { (value: unknown): boolean; errors?: ErrorObject[] | null }

/** For fastify: the check of one part of a route's requests. */
export function validatorOf({ schema }: { readonly schema: unknown }): Check {
  const compiled = compiledLate(schema)
  const check: Check = (value) => {
    const validate = compiled()
    const passes = validate(value) === true
    check.errors = validate.errors ?? null
    return passes
  }
  return check
}

/** A schema's check, made when the first value comes, so that a start is quick. */
function compiledLate(schema: unknown): () => ReturnType<typeof ajv.compile> {
  let validate: ReturnType<typeof ajv.compile> | undefined
  return () => {
    validate ??= ajv.compile(schema as object)
    return validate
  }
}

/** The same for a route whose body is many records, each checked on its own, so that a wrong one refuses no other. */
export function validatorExceptBody(part: { readonly schema: unknown; readonly httpPart?: string }) {
  return part.httpPart === 'body' ? () => true : validatorOf(part)
}

/**
 * Refuses a body with a content coding, such as a compressed one, which would be read as something broken (RFC 9110
 * §15.5.16), and one with anything in it where a route takes none; fills in one that may be left out.
 */
export function refuseOddBodies(app: App): void {
  app.addHook('preParsing', ({ headers, routeOptions }, reply, payload, done) => {
    const coding = headers['content-encoding'] ?? 'identity'
    if (coding.toLowerCase() === 'identity' || !(routeOptions.schema as FastifySchema | undefined)?.body) {
      return done(null, payload)
    }
    reply.header('accept-encoding', 'identity')
    done(new ApiError('unsupported_media_type', `The body is compressed (${coding.slice(0, 40)}), which no call takes`))
  })
  app.addHook('preValidation', (request, _reply, done) => {
    refuseUnaskedBody(request)
    done()
  })
}

/** Whether the call takes no body, or one that may be left out. */
export function needsNoBody(request: FastifyRequest): boolean {
  const schema = schemaOf(request)
  return !schema?.body || schema[OPTIONAL_BODY] === true
}

function schemaOf({ routeOptions }: FastifyRequest) {
  return routeOptions.schema as (FastifySchema & { readonly [OPTIONAL_BODY]?: true }) | undefined
}

function refuseUnaskedBody(request: FastifyRequest): void {
  const { body } = request
  const schema = schemaOf(request)
  if (body === undefined && schema?.[OPTIONAL_BODY]) request.body = {}
  // Bytes are for a route that reads them itself.
  if (body === undefined || body === null || Buffer.isBuffer(body) || schema?.body || schema?.hide) return
  if (typeof body !== 'object' || Array.isArray(body)) throw fieldError('body', 'invalid_type', 'must be an object')
  const names = Object.keys(body)
  if (names.length === 0) return
  throw inputError(names.map((field) => ({ field, code: 'unknown_field', detail: 'is not a field here' })))
}

/** A check of values that come in otherwise, such as the lines of a stream: returns the value, or throws an ApiError. */
export function parserOf<T extends TSchema>(schema: T): (value: unknown) => Static<T> {
  const compiled = compiledLate(schema)
  return (value) => {
    const validate = compiled()
    if (validate(value)) return value as Static<T>
    throw validationErrors((validate.errors ?? []) as (ErrorObject & { message: string })[], 'body')
  }
}
