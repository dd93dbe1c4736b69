import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { InvalidHiveResponse } from "../domain/errors/Hive.js"
import type { RbeeError } from "../domain/errors/index.js"
import type { HiveAddress } from "../domain/Hive.js"
import type { NodeName } from "../domain/Ids.js"
import type { ModelEntry, Provider } from "../domain/Model.js"
import type { ModelRef } from "../domain/ModelRef.js"
import type { Report } from "../domain/Narration.js"
import type { ModelInfo } from "../domain/Plan.js"
import { HiveClient } from "../services/HiveClient.js"
import { Hives } from "../services/Hives.js"
import { type Narrator, report, voiceOf } from "../services/Narrator.js"
import type { NodeRegistry } from "../services/NodeRegistry.js"
import { loadRegistry } from "./00-loadRegistry.js"

const say = voiceOf("queen-rbee")

type Needs = NodeRegistry | Hives | HiveClient | Narrator

/** The models of a node, as its hive's catalog has them. */
export const modelsOn: (
  name: NodeName,
  provider: Provider | null
) => Effect.Effect<ReadonlyArray<ModelEntry>, RbeeError, Needs> = Effect.fn("rbee.modelsOn")(
  function* (name, provider) {
    return yield* asking(name, (client, hive) => client.models(hive, provider))
  }
)

/** What a node knows of a model. */
export const modelInfoOn: (name: NodeName, model: ModelRef) => Effect.Effect<ModelInfo, RbeeError, Needs> = Effect.fn(
  "rbee.modelInfoOn"
)(function* (name, model) {
  return yield* asking(name, (client, hive) => client.modelInfo(hive, model))
})

/** Takes a model off a node. */
export const removeModelOn: (name: NodeName, model: ModelRef) => Effect.Effect<void, RbeeError, Needs> = Effect.fn(
  "rbee.removeModelOn"
)(function* (name, model) {
  yield* asking(name, (client, hive) => client.removeModel(hive, model))
  yield* say("🗑️", `Model ${model} is removed from ${name}`)
})

/** Fetches a model to a node, with what its hive reports. */
export const downloadTo: (name: NodeName, model: ModelRef) => Effect.Effect<ModelEntry, RbeeError, Needs> = Effect.fn(
  "rbee.downloadTo"
)(function* (name, model) {
  return yield* asking(name, (client, hive) =>
    client.download(hive, model).pipe(
      Stream.tap((event) => (isEntry(event) ? Effect.void : report(event))),
      Stream.runLast,
      Effect.flatMap((last) =>
        Option.match(Option.filter(last, isEntry), {
          onSome: Effect.succeed,
          onNone: () => new InvalidHiveResponse({ node: name, reason: "the download ended without a model" })
        })
      )
    )
  )
})

const isEntry = (event: Report | ModelEntry): event is ModelEntry => Predicate.hasProperty(event, "local_path")

/** Phases 0 and 2, then the question. */
const asking = <A, R>(
  name: NodeName,
  ask: (client: HiveClient["Type"], hive: HiveAddress) => Effect.Effect<A, RbeeError, R>
): Effect.Effect<A, RbeeError, R | Needs> =>
  Effect.gen(function* () {
    const node = yield* loadRegistry(name)
    const { address } = yield* Effect.flatMap(Hives, (hives) => hives.connect(node))
    return yield* ask(yield* HiveClient, address)
  })
