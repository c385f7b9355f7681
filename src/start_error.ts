/** Why the gateway cannot start or go on, as one line for whoever runs it. Shown without a stack. */
export class StartError extends Error {
  override readonly name = 'StartError'
}
