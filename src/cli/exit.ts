/** How the command ends: 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
import * as ValidationError from "@effect/cli/ValidationError"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/** A failure that the user has been told of already; what is left is the exit code. */
export class Reported extends Data.TaggedError("Reported")<{ readonly code: number }> {}

/** The exit code of the whole run; `interrupted` is what a signal makes of it. */
export const exitCode = (exit: Exit.Exit<unknown, unknown>, interrupted: number): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.isInterruptedOnly(exit.cause)) return interrupted
  const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
  if (failure instanceof Reported) return failure.code
  return ValidationError.isValidationError(failure) ? 2 : 1
}
