/** The unit files, as systemd reads them. */
import { execFile } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type InstallScope, placesOf, type Surroundings } from "../../src/domain/LocalInstall.js"
import { serviceCommands, type UnitOptions, unitsOf } from "../../src/domain/SystemdUnits.js"
import { tempDir } from "../support/tempDir.js"

const run = promisify(execFile)

const surroundings: Surroundings = {
  ...{ home: "/home/bee", config_home: "/home/bee/.config", data_home: "/home/bee/.local/share" },
  // systemd looks whether it is there.
  ...{ search_path: [], node: process.execPath, program: "/src/rbee.js", nvidia: false, variables: {} }
}

const options = (scope: InstallScope, more: Partial<Surroundings> = {}): UnitOptions => {
  const all = { ...surroundings, ...more }
  return { scope, places: placesOf(scope, all), surroundings: all, drain: Duration.seconds(30), has_token: false }
}

const textOf = (role: "queen" | "hive", given: UnitOptions) =>
  unitsOf(given).find(({ name }) => name === `rbee-${role}.service`)?.text ?? ""

describe("the unit files", () => {
  it.scopedLive(
    "are what systemd understands, every line of them",
    (context) =>
      Effect.gen(function* () {
        const folder = yield* tempDir
        const hasSystemd = yield* Effect.promise(() =>
          run("systemd-analyze", ["--version"]).then(
            () => true,
            () => false
          )
        )
        if (!hasSystemd) return context.skip("no systemd-analyze on this machine")
        for (const scope of ["user", "system"] as const) {
          const odd = { home: '/home/queen "bee" 100%', variables: { RBEE_HOME: "/srv/50 % off" } }
          for (const unit of [...unitsOf(options(scope)), ...unitsOf({ ...options(scope, odd), has_token: true })]) {
            const path = Path.join(folder, unit.name)
            const { stderr } = yield* Effect.promise(async () => {
              await Fs.writeFile(path, unit.text)
              return run("systemd-analyze", [`--${scope}`, "--man=no", "verify", path], {
                env: { ...process.env, XDG_RUNTIME_DIR: folder } // the user's manager wants one
              })
            })
            assert.strictEqual(stderr, "", unit.text) // what it does not know it only warns of
          }
        }
        return undefined
      }),
    60_000
  )

  it("start the programs by absolute paths, whatever is in them", () => {
    const text = textOf("queen", options("user", { node: "/opt/no de/node", data_home: '/home/a$b%c"d/share' }))
    assert.include(
      text,
      'ExecStart="/opt/no de/node" "/home/a$$b%%c\\"d/share/rbee/app/dist/bin/rbee.js" queen serve\n'
    )
  })

  it("see the state and configuration of whoever installs", () => {
    const text = textOf(
      "hive",
      options("user", { variables: { RBEE_HOME: "/srv/rbee", RBEE_CONFIG: "/srv/a b.toml" } })
    )
    assert.include(text, 'Environment="RBEE_HOME=/srv/rbee"\nEnvironment="RBEE_CONFIG=/srv/a b.toml"\n')
    assert.notInclude(textOf("hive", options("user")), "Environment=")
    const everybodys = textOf("hive", options("system", { variables: { RBEE_HOME: "/root/rbee" } }))
    assert.include(everybodys, "Environment=RBEE_HOME=/var/lib/rbee\n")
    assert.notInclude(everybodys, "/root")
  })

  it("wait longer than a drain takes, and leave serving workers alone", () => {
    const text = textOf("hive", { ...options("user"), drain: Duration.minutes(2) })
    assert.include(text, "TimeoutStopSec=270s\n")
    assert.include(text, "\nKillMode=process\n")
    assert.include(text, "\nOOMPolicy=continue\n")
  })

  it("hand over the token once there is one", () => {
    assert.include(textOf("queen", options("system")), "\n# LoadCredential=rbee-token:/etc/rbee/token\n")
    assert.include(
      textOf("queen", { ...options("system"), has_token: true }),
      "\nLoadCredential=rbee-token:/etc/rbee/token\n"
    )
  })

  it("become services by commands that can be typed again", () => {
    const units = unitsOf(options("system"))
    const first = serviceCommands("system", units, { replaced: false })
    assert.isTrue(first.every((command) => command.startsWith("sudo ")))
    assert.match(first[0] ?? "", /^sudo useradd .* rbee$/)
    const again = serviceCommands("system", units, { replaced: true })
    assert.strictEqual(again.at(-1), "sudo systemctl try-restart rbee-queen.service rbee-hive.service")
    assert.isTrue(again.every((command) => !command.includes("useradd")))
    const path = `${options("user").places.units}/rbee-queen.service`
    assert.include(serviceCommands("user", unitsOf(options("user")), { replaced: false })[0] ?? "", path)
  })
})
