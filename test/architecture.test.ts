/** Who may import whom (architecture.md), held for every file of src. */

import { readdirSync, readFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import ts from "typescript"

const root = fileURLToPath(new URL("../src/", import.meta.url))

// ---------------------------------------------------------------------------------------------------------------------
// The rules
// ---------------------------------------------------------------------------------------------------------------------

interface Room {
  /** The rooms that its files may import from. */
  readonly rooms: ReadonlyArray<string>
  /** The rooms that they may reach by `import()` alone, so that they are loaded when needed. */
  readonly lazily?: ReadonlyArray<string>
  /** Which modules from outside they may import. */
  readonly outside: RegExp
}

const effect = /^effect\/\w+$/
const anything = /^/
/** Beside the services in memory stands a model hub to talk HTTP with. */
const testing = /^(effect\/\w+|node:(http|crypto|fs|stream))$/
const contracts =
  /^(effect\/\w+|@effect\/platform\/(HttpApi\w*|HttpApp|HttpServerRequest|HttpServerResponse|OpenApi|Headers)|@effect\/experimental\/Sse)$/

const house: Readonly<Record<string, Room>> = {
  domain: { rooms: ["domain"], outside: effect },
  services: { rooms: ["domain", "services"], outside: effect },
  programs: { rooms: ["domain", "services", "programs"], outside: effect },
  api: { rooms: ["domain", "api"], outside: contracts },
  layers: { rooms: ["domain", "services", "api", "layers"], outside: anything },
  testing: { rooms: ["domain", "services", "testing"], outside: testing },
  daemons: { rooms: ["domain", "services", "programs", "api", "layers", "daemons"], outside: anything },
  cli: {
    rooms: ["domain", "services", "programs", "api", "layers", "cli"],
    lazily: ["daemons"],
    outside: anything
  },
  // src/index.ts, the door for whoever uses rbee as a library
  "": { rooms: ["domain", "services", "programs", "api", "layers"], outside: anything }
}

/** Packages of which only single modules are imported: what a barrel loads, the CLI's user waits for. */
const barrel = /^(effect|@effect\/[^/]+)$/

/** Outside things that are everywhere by right; every other library has one place. */
const everywhere = /^(effect|@effect\/(platform|platform-node|platform-node-shared|experimental)|node:.*)$/

/** The libraries whose place is laid down: a file, or a folder with all that is in it. Any other is imported by one file. */
const placeOf: Readonly<Record<string, string>> = {
  ssh2: "layers/SshLive.ts",
  "node-llama-cpp": "layers/engine",
  "@effect/sql": "layers/sql",
  "@effect/cli": "cli",
  "@effect/printer": "cli",
  "@effect/printer-ansi": "cli"
}

/** Where fibers are started from outside of Effect. */
const entries = /^cli\/(main|installer)\.ts$/
const runners = /^run(Promise|PromiseExit|Sync|SyncExit|Fork|Callback|Main)$/

const maxLines = 400
/** Longer files, each with its reason. */
const longFiles: Readonly<Record<string, string>> = {
  "domain/errors/Catalogue.ts": "one table of sixty errors; its value is that it is in one piece"
}

// ---------------------------------------------------------------------------------------------------------------------
// What a file does
// ---------------------------------------------------------------------------------------------------------------------

interface Import {
  /** What stands between the quotes; none where the name is computed. */
  readonly module: string | undefined
  /** By `import()`. */
  readonly lazy: boolean
}

interface Facts {
  readonly imports: ReadonlyArray<Import>
  /** Uses of functions that run an effect: `Effect.runPromise`, `Runtime.runFork`. */
  readonly runs: ReadonlyArray<string>
}

const textOf = (node: ts.Node | undefined): string | undefined =>
  node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined

const factsOf = (path: string, source: string): Facts => {
  const imports: Array<Import> = []
  const runs: Array<string> = []
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      imports.push({ module: textOf(node.moduleSpecifier), lazy: false })
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      imports.push({ module: textOf(node.moduleSpecifier), lazy: false })
    } else if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) {
      imports.push({ module: textOf(node.moduleReference.expression), lazy: false })
    } else if (ts.isImportTypeNode(node)) {
      // `typeof import("…")` is gone when the program runs, as lazy as can be
      imports.push({
        module: ts.isLiteralTypeNode(node.argument) ? textOf(node.argument.literal) : undefined,
        lazy: true
      })
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      imports.push({ module: textOf(node.arguments[0]), lazy: true })
    } else if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "require") {
      imports.push({ module: textOf(node.arguments[0]), lazy: false })
    } else if (ts.isPropertyAccessExpression(node) && runners.test(node.name.text)) {
      runs.push(`${node.expression.getText()}.${node.name.text}`)
    } else if (ts.isImportSpecifier(node) && runners.test((node.propertyName ?? node.name).text)) {
      runs.push(`import { ${(node.propertyName ?? node.name).text} }`)
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true))
  return { imports, runs }
}

const roomOf = (path: string): string => (path.includes("/") ? path.slice(0, path.indexOf("/")) : "")

/** `@scope/name` or `name` of a module's name; `node:fs/promises` stays in one piece. */
const libraryOf = (module: string): string =>
  module.startsWith("node:") ? module : module.split("/", module.startsWith("@") ? 2 : 1).join("/")

const importViolation = (path: string, { module, lazy }: Import): string | undefined => {
  const room = house[roomOf(path)]
  if (room === undefined) return `${path}: no such room`
  if (module === undefined) return `imports a module whose name is computed`
  if (!module.startsWith(".")) {
    if (barrel.test(module)) return `imports the barrel ${module}`
    if (isBuiltin(module) && !module.startsWith("node:")) return `imports ${module} without node:`
    if (libraryOf(module) === "rbee") return `imports rbee by its package name`
    return room.outside.test(module) ? undefined : `may not import ${module}`
  }
  const target = Path.posix.normalize(Path.posix.join(Path.posix.dirname(path), module))
  if (target.startsWith("..")) return `imports ${module}, outside of src`
  if (!module.endsWith(".js")) return `imports ${module} without .js`
  const to = roomOf(target)
  if (room.rooms.includes(to)) return undefined
  if (room.lazily?.includes(to) === true) return lazy ? undefined : `imports ${module} otherwise than by import()`
  return `may not import ${to === "" ? target : to} (${module})`
}

const runViolation = (path: string, run: string): string | undefined =>
  entries.test(path) || (roomOf(path) === "layers" && run === "Runtime.runFork")
    ? undefined
    : `runs an effect with ${run}`

const sizeViolation = (path: string, source: string): string | undefined => {
  const lines = source.trimEnd().split("\n").length
  return lines > maxLines && longFiles[path] === undefined ? `has ${lines} lines, more than ${maxLines}` : undefined
}

/** Everything that a file does against the rules that concern it alone. */
const violations = (path: string, source: string): ReadonlyArray<string> => {
  const { imports, runs } = factsOf(path, source)
  return [
    ...imports.map((found) => importViolation(path, found)),
    ...runs.map((run) => runViolation(path, run)),
    sizeViolation(path, source)
  ].filter((found) => found !== undefined)
}

/** Libraries that appear in more than their one place. */
const scattered = (files: ReadonlyMap<string, string>): ReadonlyArray<string> => {
  const places = new Map<string, Set<string>>()
  for (const [path, source] of files) {
    for (const { module } of factsOf(path, source).imports) {
      if (module === undefined || module.startsWith(".")) continue
      const library = libraryOf(module)
      if (!everywhere.test(library)) places.set(library, (places.get(library) ?? new Set()).add(path))
    }
  }
  return [...places].flatMap(([library, paths]) => {
    const place = placeOf[library]
    const inItsPlace =
      place === undefined
        ? paths.size === 1
        : [...paths].every((path) => path === place || path.startsWith(`${place}/`))
    return inItsPlace ? [] : [`${library} is imported by ${[...paths].sort().join(", ")}`]
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// The house as it stands
// ---------------------------------------------------------------------------------------------------------------------

const files = new Map(
  readdirSync(root, { recursive: true, encoding: "utf8" })
    .map((path) => path.split(Path.sep).join("/"))
    .filter((path) => /\.[cm]?[jt]sx?$/.test(path))
    .sort()
    .map((path) => [path, readFileSync(Path.join(root, path), "utf8")] as const)
)

describe("every file keeps to its room", () => {
  it("and was found", () => {
    assert.isAbove(files.size, 50)
    for (const room of ["domain", "services", "programs", "api"]) {
      assert.isTrue(
        [...files.keys()].some((path) => roomOf(path) === room),
        room
      )
    }
  })
  for (const [path, source] of files) {
    it(path, () => assert.deepStrictEqual(violations(path, source), []))
  }
})

describe("every outside library has one place", () => {
  it("of its own", () => assert.deepStrictEqual(scattered(files), []))
})

it("the list of long files is not longer than it must be", () => {
  for (const path of Object.keys(longFiles)) {
    const source = files.get(path)
    assert.isDefined(source, path)
    assert.isAbove(source.split("\n").length, maxLines, path)
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// The rules can fail
// ---------------------------------------------------------------------------------------------------------------------

describe("a made-up violation is refused", () => {
  const refused: ReadonlyArray<readonly [path: string, source: string, because: string]> = [
    // rooms
    ["domain/X.ts", `import { Ssh } from "../services/Ssh.js"`, "may not import services"],
    ["domain/X.ts", `import type { Ssh } from "../services/Ssh.js"`, "may not import services"],
    ["domain/errors/X.ts", `export * from "../../programs/infer.js"`, "may not import programs"],
    ["domain/X.ts", `type S = typeof import("../layers/SshLive.js")`, "may not import layers"],
    ["services/X.ts", `import { infer } from "../programs/infer.js"`, "may not import programs"],
    ["services/X.ts", `import { HiveApi } from "../api/HiveApi.js"`, "may not import api"],
    ["programs/X.ts", `import { SshLive } from "../layers/SshLive.js"`, "may not import layers"],
    ["programs/X.ts", `const l = await import("../layers/SshLive.js")`, "may not import layers"],
    ["programs/X.ts", `import { HiveApi } from "../api/HiveApi.js"`, "may not import api"],
    ["api/X.ts", `import { Ssh } from "../services/Ssh.js"`, "may not import services"],
    ["api/X.ts", `import { infer } from "../programs/infer.js"`, "may not import programs"],
    ["layers/X.ts", `import { infer } from "../programs/infer.js"`, "may not import programs"],
    ["layers/sql/X.ts", `import { bin } from "../../cli/bin.js"`, "may not import cli"],
    ["layers/X.ts", `import { SshTest } from "../testing/SshTest.js"`, "may not import testing"],
    ["testing/X.ts", `import { SshLive } from "../layers/SshLive.js"`, "may not import layers"],
    ["testing/X.ts", `import { infer } from "../programs/infer.js"`, "may not import programs"],
    ["daemons/hive/X.ts", `import { table } from "../../cli/render/table.js"`, "may not import cli"],
    ["daemons/hive/X.ts", `import { SshTest } from "../../testing/SshTest.js"`, "may not import testing"],
    ["cli/commands/X.ts", `import { main } from "../../daemons/queen/main.js"`, "otherwise than by import()"],
    ["cli/commands/X.ts", `export { main } from "../../daemons/queen/main.js"`, "otherwise than by import()"],
    ["cli/commands/X.ts", `import { SshTest } from "../../testing/SshTest.js"`, "may not import testing"],
    ["cli/commands/X.ts", `const t = import("../../testing/SshTest.js")`, "may not import testing"],
    ["index.ts", `export * from "./cli/exit.js"`, "may not import cli"],
    ["index.ts", `export * from "./daemons/queen/main.js"`, "may not import daemons"],
    ["index.ts", `export * from "./testing/index.js"`, "may not import testing"],
    ["layers/X.ts", `import * as rbee from "../index.js"`, "may not import index.js"],
    ["attic/X.ts", `import * as Effect from "effect/Effect"`, "no such room"],
    // what comes from outside
    ["domain/X.ts", `import { readFileSync } from "node:fs"`, "may not import node:fs"],
    ["domain/X.ts", `import * as HttpApi from "@effect/platform/HttpApi"`, "may not import @effect/platform/HttpApi"],
    ["services/X.ts", `import type { Client } from "ssh2"`, "may not import ssh2"],
    ["programs/X.ts", `import * as Path from "node:path"`, "may not import node:path"],
    ["programs/X.ts", `import * as Fs from "@effect/platform/FileSystem"`, "may not import @effect/platform"],
    ["programs/X.ts", `import * as SqlClient from "@effect/sql/SqlClient"`, "may not import @effect/sql"],
    ["programs/X.ts", `import semver from "semver"`, "may not import semver"],
    ["programs/X.ts", `const fs = require("node:fs")`, "may not import node:fs"],
    ["programs/X.ts", `import fs = require("node:fs")`, "may not import node:fs"],
    ["api/X.ts", `import * as Client from "@effect/platform/HttpClient"`, "may not import @effect/platform/HttpClient"],
    ["api/X.ts", `import * as N from "@effect/platform-node/NodeHttpServer"`, "may not import @effect/platform-node"],
    ["testing/X.ts", `import * as Net from "node:net"`, "may not import node:net"],
    ["testing/X.ts", `import * as Fs from "node:fs/promises"`, "may not import node:fs/promises"],
    // how
    ["layers/X.ts", `import { Effect } from "effect"`, "imports the barrel effect"],
    ["cli/X.ts", `import { Command } from "@effect/cli"`, "imports the barrel @effect/cli"],
    ["daemons/hive/X.ts", `import { HttpApi } from "@effect/platform"`, "imports the barrel @effect/platform"],
    ["layers/X.ts", `import { NodeContext } from "@effect/platform-node"`, "imports the barrel @effect/platform-node"],
    ["layers/sql/X.ts", `export { SqlClient } from "@effect/sql"`, "imports the barrel @effect/sql"],
    ["layers/X.ts", `const e = await import("effect")`, "imports the barrel effect"],
    ["layers/X.ts", `const e = await import(name)`, "whose name is computed"],
    ["layers/X.ts", `import * as Fs from "fs/promises"`, "without node:"],
    ["domain/X.ts", `import { Device } from "./Device"`, "without .js"],
    ["domain/X.ts", `import { Device } from "./Device.ts"`, "without .js"],
    ["layers/X.ts", `import pkg from "../../package.json"`, "outside of src"],
    ["layers/X.ts", `import { Device } from "rbee"`, "by its package name"],
    // running
    ["programs/X.ts", `Effect.runPromise(task)`, "runs an effect with Effect.runPromise"],
    ["layers/X.ts", `Effect.runFork(task)`, "runs an effect with Effect.runFork"],
    ["layers/X.ts", `const run = Runtime.runSync(runtime)`, "runs an effect with Runtime.runSync"],
    ["layers/X.ts", `import { runPromise } from "effect/Effect"`, "runs an effect with import { runPromise }"],
    ["programs/X.ts", `const fork = Runtime.runFork(runtime)`, "runs an effect with Runtime.runFork"],
    ["cli/commands/X.ts", `NodeRuntime.runMain(task)`, "runs an effect with NodeRuntime.runMain"],
    ["daemons/hive/loops.ts", `Effect.runCallback(task)`, "runs an effect with Effect.runCallback"],
    // size
    ["programs/X.ts", `${"\n".repeat(400)}//`, "has 401 lines"]
  ]
  for (const [path, source, because] of refused) {
    it(`${path}: ${source.trim()}`, () => {
      const found = violations(path, source)
      assert.strictEqual(found.length, 1, found.join("\n"))
      assert.include(found[0], because)
    })
  }

  it("a library in two places", () => {
    const imports = (library: string, ...paths: ReadonlyArray<string>) =>
      scattered(new Map(paths.map((path) => [path, `import x from "${library}"`])))
    assert.deepStrictEqual(imports("semver", "layers/A.ts", "layers/B.ts"), [
      "semver is imported by layers/A.ts, layers/B.ts"
    ])
    assert.lengthOf(imports("ssh2", "layers/ssh/A.ts"), 1)
    assert.lengthOf(imports("@effect/sql/SqlClient", "layers/sql/A.ts", "daemons/hive/main.ts"), 1)
    assert.lengthOf(imports("smol-toml/dist/x", "layers/A.ts", "cli/B.ts"), 1)
  })
})

describe("what the rules allow passes", () => {
  const allowed: ReadonlyArray<readonly [path: string, source: string]> = [
    ["domain/errors/X.ts", `import * as Schema from "effect/Schema"\nimport { Count } from "../Units.js"`],
    ["programs/X.ts", `import { Ssh } from "../services/Ssh.js"\nexport * from "./infer.js"`],
    [
      "api/X.ts",
      `import * as OpenApi from "@effect/platform/OpenApi"\nimport * as Sse from "@effect/experimental/Sse"`
    ],
    ["layers/ssh/X.ts", `import ssh2 from "ssh2"\nimport { Ssh } from "../../services/Ssh.js"`],
    ["layers/X.ts", `import * as Fs from "node:fs/promises"\nconst fork = Runtime.runFork(runtime)`],
    ["layers/X.ts", `const text = 'import x from "effect"' // import { y } from "effect"`],
    ["testing/hub/X.ts", `import * as Http from "node:http"\nimport * as Effect from "effect/Effect"`],
    ["cli/commands/X.ts", `const daemon = import("../../daemons/queen/main.js")`],
    ["cli/main.ts", `NodeRuntime.runMain(task)`],
    ["programs/X.ts", `${"\n".repeat(399)}//\n`]
  ]
  for (const [path, source] of allowed) {
    it(`${path}: ${source.trim()}`, () => assert.deepStrictEqual(violations(path, source), []))
  }

  it("and a library in its one place", () => {
    const imports = (library: string, ...paths: ReadonlyArray<string>) =>
      scattered(new Map(paths.map((path) => [path, `import x from "${library}"`])))
    assert.deepStrictEqual(imports("semver", "layers/A.ts"), [])
    assert.deepStrictEqual(imports("ssh2", "layers/SshLive.ts"), [])
    assert.deepStrictEqual(imports("@effect/sql/SqlClient", "layers/sql/A.ts", "layers/sql/migrations/B.ts"), [])
    assert.deepStrictEqual(imports("effect/Effect", "layers/A.ts", "cli/B.ts"), [])
  })
})
