/** The worker that flags ask for. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Backend } from "../../domain/Device.js"
import { InvalidBackend } from "../../domain/errors/Request.js"
import { parseModelRef } from "../../domain/ModelRef.js"
import { SpawnRequest } from "../../domain/Worker.js"
import type { SpawnFlags } from "../commands/workers.js"
import { invalid } from "../render/issues.js"

/** What cannot be right is refused here, before anything is started. */
export const readSpawn = Effect.fnUntraced(function* ({
  model,
  backend,
  device,
  slots,
  ctxSize,
  pin,
  workerType
}: Pick<SpawnFlags, "model" | "backend" | "device" | "slots" | "ctxSize" | "pin" | "workerType">) {
  const reference = yield* parseModelRef(model)
  if (!Schema.is(Backend)(backend)) return yield* new InvalidBackend()
  return yield* Effect.mapError(
    decodeRequest({
      model: reference.toString(),
      backend,
      device: Option.getOrNull(device),
      ctx_size: Option.getOrNull(ctxSize),
      pin,
      ...Option.match(workerType, { onNone: () => ({}), onSome: (worker_type) => ({ worker_type }) }),
      ...Option.match(slots, { onNone: () => ({}), onSome: (count) => ({ slots: count }) })
    }),
    invalid
  )
})

const decodeRequest = Schema.decodeUnknown(SpawnRequest, { errors: "all" })
