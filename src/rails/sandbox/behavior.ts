/** How the sandbox treats an instruction, by the last two digits of its amount. Every other amount is simply confirmed. */
export const BEHAVIORS = {
  '01': 'refuse', // refused, with a reason
  '02': 'delay', // confirmed, but later
  '03': 'double', // confirmed, and told twice
  '04': 'drop', // confirmed, and never told: it has to be asked for
  '05': 'lose', // accepted, and forgotten: it has to be told again
  '06': 'part', // only half of the amount moves
  '07': 'disorder', // confirmed, and then told that it is under way
  '08': 'unreachable', // does not answer the first time
  '09': 'refuse_then_confirm', // refused, and later done all the same
} as const

export type Behavior = (typeof BEHAVIORS)[keyof typeof BEHAVIORS] | 'confirm'

export function behaviorOf(amount: string): Behavior {
  const digits = amount.replace('.', '').slice(-2)
  return Object.hasOwn(BEHAVIORS, digits) ? BEHAVIORS[digits as keyof typeof BEHAVIORS] : 'confirm'
}
