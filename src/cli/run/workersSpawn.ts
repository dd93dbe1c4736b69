/** The work of `rbee workers spawn`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Backend } from "../../domain/Device.js"
import { InvalidBackend } from "../../domain/errors/Request.js"
import { parseModelRef } from "../../domain/ModelRef.js"
import { SpawnRequest, WorkerInfo } from "../../domain/Worker.js"
import { findQueen } from "../../programs/01-submitTask.js"
import { QueenClient } from "../../services/QueenClient.js"
import type { SpawnFlags } from "../commands/workers.js"
import { runKeeper } from "../keeper.js"
import { invalid } from "../render/issues.js"
import { toStdout } from "../render/terminal.js"
import { hostedText } from "../render/workers.js"
import { follow, readName } from "./nodes.js"

/** Starts a worker and shows it. What cannot be right is refused before anything is started. */
export const run = (flags: SpawnFlags) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const name = yield* readName(flags.node)
        const request = yield* readRequest(flags)
        const client = yield* QueenClient
        const queen = yield* findQueen(true) // a worker that is to stay needs a queen that stays
        yield* follow(client.spawnWorker(queen, name, request), ({ worker }) =>
          toStdout(flags.json ? `${encodeWorker({ worker })}\n` : hostedText(worker))
        )
      })
    ),
    { telling: flags.json ? "quiet" : "human", node: flags.node }
  )

const readRequest = Effect.fnUntraced(function* ({ model, backend, device, slots, ctxSize }: SpawnFlags) {
  const reference = yield* parseModelRef(model)
  if (!Schema.is(Backend)(backend)) return yield* new InvalidBackend()
  return yield* Effect.mapError(
    decodeRequest({
      model: reference.toString(),
      backend,
      device: Option.getOrNull(device),
      ctx_size: Option.getOrNull(ctxSize),
      ...Option.match(slots, { onNone: () => ({}), onSome: (count) => ({ slots: count }) })
    }),
    invalid
  )
})

const decodeRequest = Schema.decodeUnknown(SpawnRequest, { errors: "all" })
const encodeWorker = Schema.encodeSync(Schema.parseJson(Schema.Struct({ worker: WorkerInfo })))
