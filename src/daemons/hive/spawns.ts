/** The spawns of this hive: who asks for the same worker at once gets the same worker. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { isGpu } from "../../domain/Device.js"
import type { SpawnError } from "../../domain/errors/Phases.js"
import { localhost } from "../../domain/Ids.js"
import type { HostedWorker, SpawnRequest } from "../../domain/Worker.js"
import { makeSharedWorks } from "../../layers/memory/sharedWorks.js"
import { hostOrReuse } from "../../programs/hostOrReuse.js"
import type { HostNeeds } from "../../programs/hostWorker.js"
import type { Narrator } from "../../services/Narrator.js"
import { CallbackUrl } from "./callback.js"
import { Supervisor } from "./supervisor.js"

/** Phases 5 to 11, once for all who ask for the same and let it be shared (Gap-C5). */
export class Spawns extends Context.Tag("rbee/hive/Spawns")<
  Spawns,
  {
    /** A worker that is up. What is shared goes on while anybody wants it, and is broken off with the last who does. */
    readonly spawn: (request: SpawnRequest) => Effect.Effect<HostedWorker, SpawnError, Narrator>
  }
>() {}

type Needs = Exclude<HostNeeds, Narrator> | CallbackUrl | Supervisor

/** What makes two requests the same: what `chooseWorker` goes by. The CPU is one device, named or not. */
const nameOf = ({ model, backend, device }: SpawnRequest) =>
  [model, backend, isGpu(backend) ? (device ?? "any") : (device ?? 0)].join(" ")

const make = Effect.gen(function* () {
  const context = yield* Effect.context<Needs>()
  const callback = yield* CallbackUrl
  const supervisor = yield* Supervisor
  const { join } = yield* makeSharedWorks<HostedWorker, SpawnError>()

  const host = Effect.fnUntraced(function* (request: SpawnRequest) {
    // However the request ends: a worker that made it into the registry is watched.
    return yield* Effect.ensuring(
      hostOrReuse(localhost, request, yield* callback.get, yield* callback.host),
      supervisor.watchAll
    )
  })
  const hosted = (request: SpawnRequest) =>
    Effect.mapInputContext(host(request), (narrator: Context.Context<Narrator>) => Context.merge(context, narrator))

  return Spawns.of({
    spawn: (request) =>
      request.reuse
        ? join(nameOf(request), hosted(request), `A worker with ${request.model} is being started already: joining in`)
        : hosted(request)
  })
})

/** One hive's spawns; those that run are broken off with the layer. */
export const SpawnsLive: Layer.Layer<Spawns, never, Needs> = Layer.scoped(Spawns, make)
