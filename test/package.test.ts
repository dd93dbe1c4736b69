import * as Fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { compatible, version } from "../src/domain/Version.js"
import { VersionsSemver } from "../src/layers/VersionsSemver.js"
import { Versions } from "../src/services/Versions.js"

const manifest = JSON.parse(Fs.readFileSync("package.json", "utf8")) as {
  version: string
  bin: Record<string, string>
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

describe("the package", () => {
  it("has the version that the programs tell", () => {
    assert.strictEqual(version, manifest.version)
  })

  it.effect("works with itself", () =>
    Effect.gen(function* () {
      const { satisfies } = yield* Versions
      assert.isTrue(satisfies(version, compatible))
      assert.isFalse(satisfies("0.0.9", compatible))
    }).pipe(Effect.provide(VersionsSemver))
  )

  it("pins every dependency exactly: a range would mix in the next major of Effect", () => {
    for (const [name, range] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      assert.match(range, /^\d+\.\d+\.\d+$/, name)
    }
  })

  it("has the five programs", () => {
    assert.sameMembers(Object.keys(manifest.bin), ["rbee", "rbee-keeper", "queen-rbee", "rbee-hive", "llm-worker-rbee"])
    for (const [name, path] of Object.entries(manifest.bin)) {
      assert.isTrue(Fs.existsSync(path.replace("dist/bin", "src/cli/bin").replace(".js", ".ts")), name)
    }
  })
})
