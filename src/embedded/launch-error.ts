/** A reason not to start that the user can act on: printed without a stack, exit code 1. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError';
}
