import type { Reply } from './client.ts'

/** What the tests of this process were answered: by gateway, the call, its status, the code of its problem, and its headers. */
const seen = new Map<string, Set<string>>()

/** Headers that say nothing of one call: those of HTTP itself, of caches, and of browsers. */
const GENERAL =
  /^(content-(type|length|security-policy)|date|connection|keep-alive|transfer-encoding|cache-control|vary|cross-origin-resource-policy|referrer-policy|strict-transport-security|x-content-type-options|x-accel-buffering|access-control-.*)$/

export function noteAnswer(url: string, method: string, path: string, { status, headers, body }: Reply): void {
  const [plain = ''] = path.split('?')
  const code = status >= 400 && typeof body?.code === 'string' ? body.code : ''
  const answers = seen.get(url) ?? new Set()
  const own = [...headers.keys()].filter((name) => !GENERAL.test(name)).sort()
  seen.set(url, answers.add([method.toLowerCase(), plain, status, code, own.join()].join(' ')))
}

/** The answers of that gateway which its OpenAPI document does not have, each as one sentence. */
export function undocumentedAnswers(url: string, document: any): string[] {
  const templates = Object.keys(document.paths)
  const strange = [...(seen.get(url) ?? [])].flatMap((answer) => {
    const [method = '', path = '', status = '', code = '', headers = ''] = answer.split(' ')
    const template = templates.includes(path) ? path : templates.find((known) => fits(known, path))
    const call = template && document.paths[template][method]
    // No call of the API: a page, or nothing at all.
    if (!call) return []
    const response = call.responses[status]
    if (!response) return [`${method} ${template} answered ${status}, which is not documented`]
    const examples = response.content?.['application/problem+json']?.examples
    const wrong = headersWrong(document, response, headers === '' ? [] : headers.split(','))
    const sentences = wrong.map((what) => `${method} ${template} answered ${status} ${what}`)
    return code === '' || examples?.[code]
      ? sentences
      : [...sentences, `${method} ${template} answered ${code}, which is not documented`]
  })
  return [...new Set(strange)]
}

/** What an answer with these headers has that is not in the document, and has not that the document promises. */
function headersWrong(document: any, response: any, headers: readonly string[]): string[] {
  const documented = Object.keys(response.headers ?? {})
  const names = documented.map((name) => name.toLowerCase())
  const promised = documented.filter((name) => document.components.headers[name].required)
  return [
    ...headers.filter((name) => !names.includes(name)).map((name) => `with ${name}, which is not documented`),
    ...promised.filter((name) => !headers.includes(name.toLowerCase())).map((name) => `without its ${name}`),
  ]
}

function fits(template: string, path: string): boolean {
  const [known, parts] = [template.split('/'), path.split('/')]
  return known.length === parts.length && known.every((part, index) => part === parts[index] || part.startsWith('{'))
}
