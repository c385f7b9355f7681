import { Ajv, type ErrorObject } from 'ajv'
import type { Static, TSchema } from 'typebox'
import { validationErrors } from './problem.ts'
import { formats } from './schemas.ts'

// What a schema refuses is refused: nothing is coerced, dropped or filled in.
const ajv = new Ajv({ allErrors: true, verbose: true, strict: false, formats })

/** For fastify: the check of one part of a route's requests. */
export function validatorOf({ schema }: { readonly schema: unknown }) {
  return ajv.compile(schema as object)
}

/** A check of values that come in otherwise, such as the lines of a stream: returns the value, or throws an ApiError. */
export function parserOf<T extends TSchema>(schema: T): (value: unknown) => Static<T> {
  const validate = ajv.compile(schema)
  return (value) => {
    if (validate(value)) return value as Static<T>
    throw validationErrors((validate.errors ?? []) as (ErrorObject & { message: string })[], 'body')
  }
}
