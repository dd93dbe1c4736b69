import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SettingsLive } from "../src/layers/SettingsLive.js"
import { Settings } from "../src/services/Settings.js"

const environment = (entries: Record<string, string>) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(entries))))

describe("config.example.toml", () => {
  it.effect("loads, and holds the defaults", () =>
    Effect.gen(function* () {
      const load = (entries: Record<string, string>) =>
        Effect.provide(Settings, SettingsLive.pipe(Layer.provide(environment({ HOME: "/nowhere", ...entries }))))
      const defaults = yield* load({})
      const example = yield* load({ RBEE_CONFIG: Path.resolve("config.example.toml") })
      assert.deepStrictEqual(example, defaults)
    })
  )

  it("names no section that the settings do not have", () => {
    const sections = [...Fs.readFileSync("config.example.toml", "utf8").matchAll(/^\[(\w+)\]$/gm)].map(
      ([, name]) => name
    )
    assert.sameMembers(sections, ["queen", "hive", "worker", "remote", "models", "auth", "timeouts"])
  })
})
