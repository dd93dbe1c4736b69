import * as Command from "@effect/cli/Command"
import { assert, describe, it } from "@effect/vitest"
import * as HashMap from "effect/HashMap"
import { catalog } from "../../src/cli/commands/catalog.js"
import { hive } from "../../src/cli/commands/hive.js"
import { models } from "../../src/cli/commands/models.js"
import { queen } from "../../src/cli/commands/queen.js"
import { rbee } from "../../src/cli/commands/rbee.js"
import { setup } from "../../src/cli/commands/setup.js"
import { worker } from "../../src/cli/commands/worker.js"
import { workers } from "../../src/cli/commands/workers.js"
import { pageFor, pages, renderPage } from "../../src/cli/help.js"

/** The names of a group's commands. The groups' types differ, and only the names matter here. */
const namesOf = <Name extends string, R, E, A>(command: Command.Command<Name, R, E, A>) => [
  ...HashMap.keys(Command.getSubcommands(command))
]

const groups: Readonly<Record<string, ReadonlyArray<string>>> = {
  "": namesOf(rbee),
  setup: namesOf(setup),
  workers: namesOf(workers),
  models: namesOf(models),
  catalog: namesOf(catalog),
  queen: namesOf(queen),
  hive: namesOf(hive),
  worker: namesOf(worker)
}

describe("help", () => {
  for (const [group, there] of Object.entries(groups)) {
    it(`names all commands of rbee ${group}`, () => {
      assert.sameMembers(
        (pages[group]?.commands ?? []).map(([name]) => name),
        [...there]
      )
    })
  }

  it("has a page for every group, and no other", () => {
    assert.sameMembers(Object.keys(pages), Object.keys(groups))
  })

  it("fits 80 columns", () => {
    for (const page of Object.values(pages)) {
      for (const line of renderPage(page).split("\n")) assert.isAtMost(line.length, 80, line)
    }
  })

  it("leaves a single command's options to the command", () => {
    assert.isUndefined(pageFor(["infer", "--help"]))
    assert.isUndefined(pageFor(["plan", "--help"]))
    assert.isUndefined(pageFor(["setup", "add-node", "--help"]))
    assert.isUndefined(pageFor(["models", "download", "--help"]))
    assert.strictEqual(pageFor(["setup"]), pages.setup)
    assert.strictEqual(pageFor(["--help"]), pages[""])
    assert.strictEqual(pageFor([]), pages[""])
  })
})
