/** Commands that load their work when they are run, so that `--help` and `--version` are quick. */
import * as Effect from "effect/Effect"

/** A handler whose module is imported on demand; the module's `run` is the command's work. */
export const lazily =
  <Args, A, E, R>(load: () => Promise<{ readonly run: (args: Args) => Effect.Effect<A, E, R> }>) =>
  (args: Args): Effect.Effect<A, E, R> =>
    Effect.flatMap(Effect.promise(load), ({ run }) => run(args))
