/** What every Premises does. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { InstallFailed } from "../../src/domain/errors/Hive.js"
import type { Narrator } from "../../src/services/Narrator.js"
import type { PackedPackage } from "../../src/services/Packager.js"
import type { Premises } from "../../src/services/Premises.js"
import { NarratorTest } from "../../src/testing/NarratorTest.js"

/** A machine for a test, and what is beyond the service: two packages, and a file that somebody else puts there. */
export interface TestPremises {
  readonly premises: Premises["Type"]
  /** A folder of the test's own. */
  readonly folder: string
  readonly packages: readonly [PackedPackage, PackedPackage]
  readonly putForeign: (path: string) => Effect.Effect<void>
}

/** The suite; the machine is an empty one at every use. */
export const premisesContract = <R>(
  name: string,
  machine: Effect.Effect<TestPremises, never, R | Scope.Scope>,
  layer: Layer.Layer<R>
): void => {
  const use = <E>(test: (machine: TestPremises) => Effect.Effect<void, E, Narrator | Scope.Scope>) =>
    Effect.flatMap(machine, test).pipe(Effect.scoped, Effect.provide(layer), Effect.provide(NarratorTest.layer()))

  const isRefused = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.map(Effect.either(effect), (outcome) => {
      assert.isTrue(Either.isLeft(outcome) && outcome.left instanceof InstallFailed, "it was to be refused")
    })

  describe(name, () => {
    it.live("installs a package, once; another takes its place", () =>
      use(({ premises, folder, packages: [one, other] }) =>
        Effect.gen(function* () {
          const app = `${folder}/share/app`
          assert.strictEqual(yield* premises.packageAt(app), "nothing")
          assert.isTrue((yield* premises.install(app, one)).changed)
          assert.strictEqual(yield* premises.packageAt(app), "rbee")
          assert.isFalse((yield* premises.install(app, one)).changed)
          const { changed, version } = yield* premises.install(app, other)
          assert.deepStrictEqual([changed, version], [true, other.version])
        })
      )
    )

    it.live("replaces nothing that it did not put there", () =>
      use(({ premises, folder, packages: [one], putForeign }) =>
        Effect.gen(function* () {
          const [app, path] = [`${folder}/app`, `${folder}/rbee`]
          yield* putForeign(app)
          yield* putForeign(path)
          assert.strictEqual(yield* premises.packageAt(app), "other")
          yield* isRefused(premises.install(app, one))
          const link = { path, target: `${folder}/dist/bin/rbee.js` }
          assert.strictEqual(yield* premises.linkAt(link), "other")
          yield* isRefused(premises.link(link))
          assert.isFalse(yield* premises.writeConfig(path, "[queen]\n", true))
        })
      )
    )

    it.live("links once, and tells a link that leads elsewhere", () =>
      use(({ premises, folder }) =>
        Effect.gen(function* () {
          const link = { path: `${folder}/bin/rbee`, target: `${folder}/app/dist/bin/rbee.js` }
          assert.strictEqual(yield* premises.linkAt(link), "nothing")
          yield* premises.link(link)
          yield* premises.link(link)
          assert.strictEqual(yield* premises.linkAt(link), "same")
          assert.strictEqual(yield* premises.linkAt({ ...link, target: `${folder}/elsewhere` }), "other")
          assert.isTrue(yield* premises.exists(link.path))
        })
      )
    )

    it.live("writes a configuration where there is none, and any other file again", () =>
      use(({ premises, folder }) =>
        Effect.gen(function* () {
          const path = `${folder}/etc/config.toml`
          assert.isFalse(yield* premises.exists(path))
          assert.isTrue(yield* premises.writeConfig(path, "[queen]\n", true))
          assert.isFalse(yield* premises.writeConfig(path, "[hive]\n", true))
          yield* premises.writeFile(`${folder}/unit`, "one")
          yield* premises.writeFile(`${folder}/unit`, "two")
          assert.isTrue(yield* premises.exists(`${folder}/unit`))
        })
      )
    )
  })
}
