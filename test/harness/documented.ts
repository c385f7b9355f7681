import type { Reply } from './client.ts'

/** What the tests of this process were answered: by gateway, the call, its status and the code of its problem. */
const seen = new Map<string, Set<string>>()

export function noteAnswer(url: string, method: string, path: string, { status, body }: Reply): void {
  const [plain = ''] = path.split('?')
  const code = status >= 400 && typeof body?.code === 'string' ? body.code : ''
  const answers = seen.get(url) ?? new Set()
  seen.set(url, answers.add([method.toLowerCase(), plain, status, code].join(' ')))
}

/** The answers of that gateway which its OpenAPI document does not have, each as one sentence. */
export function undocumentedAnswers(url: string, document: any): string[] {
  const templates = Object.keys(document.paths)
  return [...(seen.get(url) ?? [])].flatMap((answer) => {
    const [method = '', path = '', status = '', code = ''] = answer.split(' ')
    const template = templates.includes(path) ? path : templates.find((known) => fits(known, path))
    const call = template && document.paths[template][method]
    // No call of the API: a page, or nothing at all.
    if (!call) return []
    const response = call.responses[status]
    if (!response) return [`${method} ${template} answered ${status}, which is not documented`]
    const examples = response.content?.['application/problem+json']?.examples
    return code === '' || examples?.[code] ? [] : [`${method} ${template} answered ${code}, which is not documented`]
  })
}

function fits(template: string, path: string): boolean {
  const [known, parts] = [template.split('/'), path.split('/')]
  return known.length === parts.length && known.every((part, index) => part === parts[index] || part.startsWith('{'))
}
