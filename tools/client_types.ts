// How a schema of the OpenAPI document is written as a type of TypeScript.

/** A schema of JSON, as far as our document uses it. */
export type Schema = {
  readonly type?: string | readonly string[]
  readonly title?: string
  readonly description?: string
  readonly enum?: readonly (string | null)[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly allOf?: readonly Schema[]
  readonly 'x-operators'?: readonly string[]
}

const LONGEST_LINE = 110

/** Writes schemas as types; those with a title become types of that name, which `named` has in the end. */
export function createTypes() {
  const named = new Map<string, string>()

  function typeOf(schema: Schema): string {
    const { type, title } = schema
    const types = typeof type === 'string' ? [type] : (type ?? [])
    const words = schema.enum?.map((word) => (word === null ? 'null' : quoted(word)))
    if (words) return words.join(' | ')
    if (schema.allOf) return schema.allOf.map(typeOf).join(' & ')
    const bare = types.filter((each) => each !== 'null')
    const parts = bare.map((each) => (title && each === 'object' ? nameOf(title, schema) : plainTypeOf(each, schema)))
    if (types.includes('null')) parts.push('null')
    return parts.length > 0 ? parts.join(' | ') : 'unknown'
  }

  function nameOf(title: string, schema: Schema): string {
    const written = plainTypeOf('object', schema)
    const known = named.get(title)
    if (known !== undefined && known !== written) throw new Error(`two different schemas have the title ${title}`)
    named.set(title, written)
    return title
  }

  function plainTypeOf(type: string, schema: Schema): string {
    switch (type) {
      case 'string':
        return 'string'
      case 'integer':
      case 'number':
        return 'number'
      case 'boolean':
        return 'boolean'
      case 'null':
        return 'null'
      case 'array':
        return listOf(typeOf(schema.items ?? {}))
      case 'object':
        return objectOf(schema)
      default:
        throw new Error(`a schema has the type ${type}, which is not known here`)
    }
  }

  function objectOf({ properties, required = [], additionalProperties }: Schema): string {
    if (!properties || Object.keys(properties).length === 0) {
      const value = typeof additionalProperties === 'object' ? typeOf(additionalProperties) : 'unknown'
      return `{ readonly [name: string]: ${value} }`
    }
    const { data, next_cursor: cursor, ...more } = properties
    if (data?.items && cursor && Object.keys(more).length === 0) return `Page<${typeOf(data.items)}>`
    return fieldsOf(
      Object.entries(properties).map(([name, field]) => ({
        name: required.includes(name) ? nameInType(name) : `${nameInType(name)}?`,
        type: typeOf(field),
        about: field.description,
      })),
    )
  }

  return { typeOf, named }
}

type Field = { readonly name: string; readonly type: string; readonly about?: string | undefined }

/** An object with these fields, on one line where it is short. */
export function fieldsOf(fields: readonly Field[]): string {
  const line = `{ ${fields.map(({ name, type }) => `readonly ${name}: ${type}`).join('; ')} }`
  const quiet = fields.every(({ about }) => about === undefined)
  if (quiet && line.length < LONGEST_LINE && !line.includes('\n')) return line
  const lines = fields.flatMap(({ name, type, about }) => [
    ...(about === undefined ? [] : [comment(about)]),
    `readonly ${name}: ${type}`,
  ])
  return `{\n${indented(lines.join('\n'))}\n}`
}

export function comment(text: string): string {
  return `/** ${text.replaceAll('*/', '*\u200b/').replaceAll(/\s+/g, ' ').trim()} */`
}

export function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ')
}

export function quoted(word: string): string {
  return `'${word.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

function nameInType(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name)
}

function listOf(type: string): string {
  return / [|&] |\n/.test(type) && !/^[{(]/.test(type) ? `readonly (${type})[]` : `readonly ${type}[]`
}
