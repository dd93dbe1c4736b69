/** Downloads from a hub on this machine, into a folder of the test's own. */
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { ModelFile } from "../../src/domain/Model.js"
import { HubModel } from "../../src/domain/ModelRef.js"
import { HubHuggingFace } from "../../src/layers/HubHuggingFace.js"
import { type FetchError, ModelHub } from "../../src/services/ModelHub.js"
import type { Narrator } from "../../src/services/Narrator.js"
import { type HubServer, hubServer } from "../../src/testing/hub/HubServer.js"
import { NarratorTest } from "../../src/testing/NarratorTest.js"
import { layerSettingsTest, type SettingsOverrides } from "../../src/testing/SettingsTest.js"
import { ref } from "./samples.js"
import { tempDir } from "./tempDir.js"

/** Bytes that look random and are the same ones every time. */
export const someBytes = (length: number, seed = 1): Buffer => {
  const bytes = Buffer.allocUnsafe(length)
  let state = (seed * 2_654_435_761) >>> 0 || 1
  for (let at = 0; at < length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[at] = state
  }
  return bytes
}

/** The checksum in hex. */
export const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** A hub with one repository, `bees/story`, and a folder for what is downloaded. */
export interface TestHub {
  readonly server: HubServer
  readonly models: string
  /** Finds and fetches a reference, by default the repository's preferred file. */
  readonly fetch: (reference?: string, settings?: SettingsOverrides) => Effect.Effect<ModelFile, FetchError, Narrator>
  /** Files in the models' folder, relative to it. */
  readonly files: () => ReadonlyArray<string>
}

/** The hub's model of a reference. */
export const hubRef = (reference: string): HubModel => {
  const model = ref(reference)
  if (!(model instanceof HubModel)) throw new Error(`${reference} is not the hub's`)
  return model
}

/** Short patience, so that a test need not have much. */
const quick = { download_stall: Duration.millis(300) }

/** Starts the hub with these files in `bees/story`. */
export const testHub = (
  files: Readonly<Record<string, Uint8Array>>,
  options: Omit<Parameters<typeof hubServer>[0], "repos"> & {
    readonly repos?: Parameters<typeof hubServer>[0]["repos"]
  } = {}
): Effect.Effect<TestHub, never, Scope.Scope> =>
  Effect.gen(function* () {
    const contents = Object.fromEntries(Object.entries(files).map(([path, content]) => [path, { content }]))
    const server = yield* hubServer({ ...options, repos: { "bees/story": { files: contents }, ...options.repos } })
    const models = Path.join(yield* tempDir, "models")
    return {
      server,
      models,
      fetch: (reference = "hf:bees/story", { hub, timeouts, models: limits, ...settings } = {}) =>
        Effect.flatMap(ModelHub, (service) =>
          Effect.flatMap(service.find(hubRef(reference)), (listing) => service.fetch(hubRef(reference), listing))
        ).pipe(
          Effect.provide(
            Layer.provide(
              HubHuggingFace,
              layerSettingsTest({
                ...settings,
                models: { dir: models, ...limits },
                hub: { endpoint: `${server.url}/`, token_file: Path.join(models, "no-token"), ...hub },
                timeouts: { ...quick, ...timeouts }
              })
            )
          )
        ),
      files: () =>
        Fs.existsSync(models)
          ? Fs.readdirSync(models, { recursive: true, encoding: "utf8", withFileTypes: true })
              .filter((entry) => entry.isFile())
              .map((entry) => Path.relative(models, Path.join(entry.parentPath, entry.name)))
              .sort()
          : []
    }
  })

/** Provides the journal of what is narrated. */
export const narrated = Effect.provide(NarratorTest.layer())
