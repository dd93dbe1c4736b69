/** Folders of a test's own. */
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Settings } from "../../src/services/Settings.js"
import { layerSettingsTest } from "../../src/testing/SettingsTest.js"

/** An empty folder, removed with the scope. */
export const tempDir = Effect.acquireRelease(
  Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "rbee-test-"))),
  (folder) => Effect.promise(() => Fs.rm(folder, { recursive: true, force: true }))
)

/** Settings with that home. */
export const homeAt = (home: string): Layer.Layer<Settings> =>
  layerSettingsTest({ home, models: { dir: Path.join(home, "models") } })

/** Settings with a home of their own, removed with the layer. */
export const freshHome: Layer.Layer<Settings> = Layer.unwrapScoped(Effect.map(tempDir, homeAt))
