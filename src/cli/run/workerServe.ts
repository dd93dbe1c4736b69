/** The work of `rbee worker serve`. */
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Backend } from "../../domain/Device.js"
import { ErrorEvent } from "../../domain/errors/Envelope.js"
import { InvalidBackend } from "../../domain/errors/Request.js"
import { WorkerId } from "../../domain/Ids.js"
import { WorkerShape } from "../../domain/Placement.js"
import type { WorkerServeFlags } from "../commands/worker.js"
import { Reported } from "../exit.js"
import { invalid } from "../render/issues.js"
import { toStderr } from "../render/terminal.js"
import { daemonOptionsOf, runDaemon } from "./daemon.js"

/** Serves one model. Why it cannot is the log's last line, as the hive reads it. */
export const run = (flags: WorkerServeFlags) =>
  runDaemon(
    Effect.gen(function* () {
      const backend = flags.backend
      if (!Schema.is(Backend)(backend)) return yield* new InvalidBackend()
      const { worker_id, ...shape } = yield* Effect.mapError(
        decodeShape({
          worker_id: flags.workerId,
          slots: flags.slots,
          ctx_size: Option.getOrNull(flags.ctxSize),
          threads: Option.getOrNull(flags.threads)
        }),
        invalid
      )
      const { serveWorker } = yield* Effect.promise(() => import("../../daemons/worker/main.js"))
      yield* serveWorker({
        worker_id,
        model: Path.resolve(flags.model),
        backend,
        device: flags.device,
        host: flags.host,
        port: flags.port,
        shape,
        callback_url: flags.callbackUrl,
        api_key_file: flags.apiKeyFile,
        ...daemonOptionsOf(flags)
      })
    }).pipe(
      Effect.catchAll((error) =>
        error._tag === "CannotListen" || error._tag === "OpenBind" || error._tag === "TokenRefused"
          ? Effect.fail<Reported | typeof error>(error)
          : Effect.flatMap(Effect.orDie(encodeError({ type: "error", error })), (line) =>
              Effect.zipRight(toStderr(`${line}\n`), Effect.fail(new Reported({ code: 1 })))
            )
      )
    ),
    { own_token: flags.tokenStdin || Option.isSome(flags.apiKeyFile) }
  )

const decodeShape = Schema.decodeUnknown(Schema.Struct({ worker_id: WorkerId, ...WorkerShape.fields }), {
  errors: "all"
})
const encodeError = Schema.encode(Schema.parseJson(ErrorEvent))
