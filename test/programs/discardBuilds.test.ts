import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { provisionWorker } from "../../src/programs/03b-provisionWorker.js"
import { discardBuilds } from "../../src/programs/discardBuilds.js"
import { WorkerFiles } from "../../src/services/WorkerFiles.js"
import { inWorld, lines } from "../support/inWorld.js"
import { hosted } from "../support/samples.js"

const world = {
  settings: { worker_source: { url: "file:///srv/workers.git", branch: "main" } },
  builds: { sources: { "story-worker": {}, broken: { fails: ["no"] } } }
}
const fail = Effect.ignore(provisionWorker("broken", ["loud"]))
const told = Effect.map(lines, (all) => all.filter((line) => line.startsWith("Removing")))

describe("discardBuilds", () => {
  it.effect("a failed build goes, one in the catalog stays", () =>
    Effect.gen(function* () {
      yield* provisionWorker("story-worker", [])
      yield* fail
      yield* discardBuilds
      yield* discardBuilds
      assert.deepStrictEqual(yield* told, ["Removing 1 old build: broken/loud"])
    }).pipe(inWorld(world))
  )

  it.effect("nothing goes where the catalog is empty, or where workers still run", () =>
    Effect.gen(function* () {
      yield* fail
      yield* discardBuilds
      yield* provisionWorker("story-worker", [])
      const files = yield* WorkerFiles
      const worker = hosted()
      yield* files.writeKey(worker.worker.id, Redacted.make("key"))
      yield* files.record(worker)
      yield* discardBuilds
      assert.deepStrictEqual(yield* told, [])
      yield* files.remove(worker.worker.id)
      yield* discardBuilds
      assert.deepStrictEqual(yield* told, ["Removing 1 old build: broken/loud"])
    }).pipe(inWorld(world))
  )
})
