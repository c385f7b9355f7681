import fastJsonStringify from 'fast-json-stringify'

type Schema = Parameters<typeof fastJsonStringify>[0]
type Serialize = (answer: unknown) => string

const kept = new WeakMap<object, Serialize>()

/**
 * For fastify: how the answers of a schema are written. Made when the first one is: hundreds of them at once would be
 * half of what a start costs. A schema that stands in many routes is one object, and has one.
 */
export function serializerOf({ schema }: { readonly schema: unknown }): Serialize {
  const of = schema as Schema & object
  let serialize: Serialize = (answer) => {
    serialize = kept.get(of) ?? fastJsonStringify(of)
    kept.set(of, serialize)
    return serialize(answer)
  }
  return (answer) => serialize(answer)
}
