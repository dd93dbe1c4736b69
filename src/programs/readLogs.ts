import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { LogNotFound } from "../domain/errors/Hive.js"
import { localhost } from "../domain/Ids.js"
import type { LogEvent, LogRequest } from "../domain/Log.js"
import { Logs } from "../services/Logs.js"

/** A log of this machine. Its hive does not have to run for that. */
export const readLogs = (request: LogRequest): Stream.Stream<LogEvent, LogNotFound, Logs> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const logs = yield* Logs
      const { worker } = request
      const lines = yield* logs.open(request)
      if (Option.isNone(lines)) {
        return yield* new LogNotFound({ node: localhost, worker_id: worker, workers: yield* logs.workers })
      }
      const source = worker === null ? "hive" : "worker"
      return Stream.map(lines.value, (line): LogEvent => ({ type: "log", source, line }))
    }).pipe(Effect.withSpan("rbee.readLogs"))
  )
