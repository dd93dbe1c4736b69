/** The logs of this machine's hive and workers, as they lie on its disk: nothing has to run for that. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { WorkerId } from "../domain/Ids.js"
import type { LogRequest } from "../domain/Log.js"

/** Reading logs. */
export class Logs extends Context.Tag("rbee/Logs")<
  Logs,
  {
    /** The workers that have a log, the one that was written last before the others. */
    readonly workers: Effect.Effect<ReadonlyArray<WorkerId>>
    /**
     * The lines of a log, each whole and without control characters; none where there is no such log. They go on over rotations of
     * the file: no line is missed, and none comes twice.
     */
    readonly open: (request: LogRequest) => Effect.Effect<Option.Option<Stream.Stream<string>>, never, Scope.Scope>
  }
>() {}
