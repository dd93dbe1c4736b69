/** A program that fetches a model and says where it is: to be killed in the middle. `fetchModel.ts ENDPOINT FOLDER REFERENCE` */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HubHuggingFace } from "../../src/layers/HubHuggingFace.js"
import { ModelHub } from "../../src/services/ModelHub.js"
import { Narrator } from "../../src/services/Narrator.js"
import { layerSettingsTest } from "../../src/testing/SettingsTest.js"
import { hubRef } from "./hub.js"

const [endpoint = "", dir = "", reference = ""] = process.argv.slice(2)

const narrator = Layer.succeed(Narrator, {
  report: (report) => Effect.sync(() => (report.type === "narration" ? console.log(report.human) : undefined))
})

const fetched = Effect.gen(function* () {
  const hub = yield* ModelHub
  const model = hubRef(reference)
  return yield* hub.fetch(model, yield* hub.find(model))
}).pipe(
  Effect.provide(
    Layer.merge(
      Layer.provide(
        HubHuggingFace,
        layerSettingsTest({ models: { dir }, hub: { endpoint, token_file: `${dir}/none` } })
      ),
      narrator
    )
  )
)

const { local_path } = await Effect.runPromise(fetched)
console.log(local_path)
