/** Installing on this machine. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { InstallFailed } from "../../src/domain/errors/Hive.js"
import { localhost } from "../../src/domain/Ids.js"
import { installHere } from "../../src/programs/installHere.js"
import { PremisesTest, type PremisesTestOptions } from "../../src/testing/PremisesTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"

const on = (options: PremisesTestOptions = {}) => Effect.provide(PremisesTest.layer(options))
const app = "/home/bee/.local/share/rbee/app"
const config = "/home/bee/.config/rbee/config.toml"

const thingAt = (path: string) =>
  Effect.flatMap(PremisesTest, ({ things }) => Effect.map(things, (there) => there.get(path)))
const count = Effect.flatMap(PremisesTest, ({ things }) => Effect.map(things, (there) => there.size))

const refused = (reason: string, suggestion: string) =>
  new InstallFailed({ node: localhost, step: "looking at what is there", reason, log_lines: [], suggestion })

describe("installHere", () => {
  it.effect("puts the package, five links, a configuration and two units in their places", () =>
    Effect.gen(function* () {
      const { links, units, ...installed } = yield* installHere("user")
      assert.deepInclude(installed, { scope: "user", changed: true, app, config: { path: config, written: true } })
      assert.strictEqual((yield* thingAt(app))?.type, "package")
      assert.deepStrictEqual(
        links.map((path) => path.split("/").at(-1)),
        ["rbee", "rbee-keeper", "queen-rbee", "rbee-hive", "llm-worker-rbee"]
      )
      assert.deepStrictEqual(yield* thingAt("/home/bee/.local/bin/queen-rbee"), {
        type: "link",
        target: `${app}/dist/bin/queen-rbee.js`
      })
      const text = "# An example\n[queen]\n# port = 8080   # where it listens\n"
      assert.deepStrictEqual(yield* thingAt(config), { type: "file", text, secret: true })
      for (const unit of units) assert.deepStrictEqual(yield* thingAt(unit.path), { type: "file", text: unit.text })
      assert.strictEqual(yield* count, 9)
    }).pipe(on(), inWorld())
  )

  it.effect("for everybody, the configuration is for everybody to read", () =>
    Effect.gen(function* () {
      const { config: file } = yield* installHere("system")
      assert.deepStrictEqual(file, { path: "/etc/rbee/config.toml", written: true })
      assert.deepInclude(yield* thingAt(file.path), { secret: false })
    }).pipe(on(), inWorld())
  )

  it.effect("a second time nothing changes, and what the user wrote stays", () =>
    Effect.gen(function* () {
      yield* installHere("user")
      const { put } = yield* PremisesTest
      yield* put(config, { type: "file", text: "[queen]\nport = 9999\n" })
      const again = yield* installHere("user")
      assert.isFalse(again.changed)
      assert.isFalse(again.config.written)
      assert.deepInclude(yield* thingAt(config), { text: "[queen]\nport = 9999\n" })
      assert.include(yield* lines, `rbee ${again.version} was installed in ${app} already`)
      assert.isTrue(again.commands.some((command) => command.includes("try-restart")))
    }).pipe(on(), inWorld())
  )

  it.effect("run from its place it mends what is around it, and packs nothing", () =>
    Effect.gen(function* () {
      const { changed } = yield* installHere("user")
      assert.isFalse(changed)
      assert.isUndefined(yield* thingAt(app))
      assert.strictEqual((yield* thingAt("/home/bee/.local/bin/rbee"))?.type, "link")
    }).pipe(on({ itself: app }), inWorld({ packager: { pack_fault: "it was not to be packed" } }))
  )

  it.effect("the configuration of the whole machine is not hidden behind a user's empty one", () =>
    Effect.gen(function* () {
      const { config: file } = yield* installHere("user")
      assert.deepStrictEqual(file, { path: "/etc/rbee/config.toml", written: false })
      assert.isUndefined(yield* thingAt(config))
    }).pipe(on({ things: { "/etc/rbee/config.toml": { type: "file", text: "" } } }), inWorld())
  )

  for (const [what, path] of [
    ["a folder", app],
    ["a program", "/home/bee/.local/bin/rbee-hive"]
  ] as const) {
    it.effect(`${what} that is somebody else's is named, and nothing is done`, () =>
      Effect.gen(function* () {
        yield* failsWith(
          installHere("user"),
          refused(`${path} is something that rbee did not put there`, `Move it away: mv ${path} ${path}.old`)
        )
        assert.strictEqual(yield* count, 1)
      }).pipe(on({ things: { [path]: { type: "other" } } }), inWorld())
    )
  }

  it.effect("without the rights it says what would have them, and nothing is done", () =>
    Effect.gen(function* () {
      yield* failsWith(
        installHere("system"),
        refused(
          "you may not write to /usr/local",
          "Run it as root: sudo /usr/bin/node /src/rbee/dist/bin/rbee.js install --system"
        )
      )
      yield* failsWith(
        installHere("user"),
        refused("you may not write to /home/bee/.config", 'Make it yours: sudo chown "$(id -un)" /home/bee/.config')
      )
      assert.strictEqual(yield* count, 0)
    }).pipe(on({ unwritable: ["/usr/local", "/home/bee/.config"] }), inWorld())
  )

  it.effect("what cannot be packed is not installed", () =>
    Effect.gen(function* () {
      const reason = "dist/bin is missing here: npm run build"
      yield* failsWith(
        installHere("user"),
        new InstallFailed({ node: localhost, step: "packing", reason, log_lines: [], suggestion: null })
      )
      assert.strictEqual(yield* count, 0)
    }).pipe(on(), inWorld({ packager: { pack_fault: "dist/bin is missing here: npm run build" } }))
  )

  it.effect("says what would surprise whoever types rbee next", () =>
    Effect.gen(function* () {
      yield* installHere("user")
      const told = yield* lines
      assert.include(told, "Another rbee comes first on your PATH: /opt/bin/rbee")
      assert.isFalse(told.some((line) => line.includes("is not on your PATH")))
    }).pipe(
      on({
        surroundings: { search_path: ["/opt/bin", "/home/bee/.local/bin", "/usr/bin"] },
        things: { "/opt/bin/rbee": { type: "other" }, "/usr/bin/rbee": { type: "other" } }
      }),
      inWorld()
    )
  )

  it.effect("says how the links are found, and that others cannot reach a user's Node", () =>
    Effect.gen(function* () {
      yield* installHere("system")
      const told = (yield* lines).join("\n")
      assert.include(told, `export PATH=/usr/local/bin:"$PATH"`)
      assert.include(told, "/home/bee/.nvm/node may be out of others' reach")
    }).pipe(on({ surroundings: { search_path: ["/bin"], node: "/home/bee/.nvm/node" } }), inWorld())
  )
})
