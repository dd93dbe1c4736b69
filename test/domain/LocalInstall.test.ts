/** Where an installation's parts go, and its configuration. */
import * as Fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { parse } from "smol-toml"
import { commentedOut, placesOf, programNames, shellWord } from "../../src/domain/LocalInstall.js"

const surroundings = {
  ...{ home: "/home/bee", config_home: "/home/bee/.config", data_home: "/home/bee/.local/share" },
  ...{ search_path: [], node: "/usr/bin/node", program: "/src/rbee.js", nvidia: false, variables: {} }
}

describe("an installation on this machine", () => {
  it("goes where cli.md says", () => {
    const user = placesOf("user", surroundings)
    assert.deepStrictEqual(
      [user.bin, user.config, user.app],
      ["/home/bee/.local/bin", "/home/bee/.config/rbee/config.toml", "/home/bee/.local/share/rbee/app"]
    )
    const system = placesOf("system", surroundings)
    assert.deepStrictEqual([system.bin, system.config], ["/usr/local/bin", "/etc/rbee/config.toml"])
    assert.isFalse(Object.values(system).some((path) => path.startsWith("/home")))
  })

  it("has links for all programs of the package", () => {
    const manifest = JSON.parse(Fs.readFileSync("package.json", "utf8")) as { bin: Record<string, string> }
    assert.sameMembers(Object.keys(manifest.bin), [...programNames])
  })

  it("has a configuration that sets nothing, and shows everything", () => {
    const example = Fs.readFileSync("config.example.toml", "utf8")
    const text = commentedOut(example)
    const settings = Object.values(parse(text)).flatMap((section) => Object.keys(section))
    assert.deepStrictEqual(settings, [])
    assert.strictEqual(text.split("\n").length, example.split("\n").length)
    assert.include(text, "# port = 8080")
    assert.deepStrictEqual(Object.keys(parse(text)), Object.keys(parse(example)))
  })

  it("is told of in words that a shell reads as they are", () => {
    assert.strictEqual(shellWord("/home/bee/.local"), "/home/bee/.local")
    assert.strictEqual(shellWord("/home/queen bee's"), `'/home/queen bee'\\''s'`)
    assert.strictEqual(shellWord("$(x)"), "'$(x)'")
    assert.strictEqual(shellWord(""), "''")
  })
})
