/** A machine's files in memory, as far as an installation on it touches them. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { InstallFailed } from "../domain/errors/Hive.js"
import { localhost } from "../domain/Ids.js"
import type { Surroundings } from "../domain/LocalInstall.js"
import { Premises } from "../services/Premises.js"

/** What stands at a path: a file's text, a link, a package by its sha256, or something else. */
export type TestThing =
  | { readonly type: "file"; readonly text: string; readonly secret?: boolean }
  | { readonly type: "link"; readonly target: string }
  | { readonly type: "package"; readonly sha256: string }
  | { readonly type: "other" }

/** What the machine is like; by default nothing is there, and everything may be written. */
export interface PremisesTestOptions {
  readonly surroundings?: Partial<Surroundings>
  readonly things?: Readonly<Record<string, TestThing>>
  /** The place of the package that runs. */
  readonly itself?: string
  /** Folders that may not be written to. */
  readonly unwritable?: ReadonlyArray<string>
}

/** The tests' side of {@link Premises}. */
export class PremisesTest extends Context.Tag("rbee/PremisesTest")<
  PremisesTest,
  {
    /** What is there by now, by its path. */
    readonly things: Effect.Effect<ReadonlyMap<string, TestThing>>
    /** Puts something there. */
    readonly put: (path: string, thing: TestThing) => Effect.Effect<void>
  }
>() {
  /** The double. */
  static readonly layer = (options: PremisesTestOptions = {}): Layer.Layer<Premises | PremisesTest> =>
    Layer.effectContext(Effect.sync(() => make(options)))
}

/** A user with nothing set, whose Node is the system's. */
const usual: Surroundings = {
  ...{ home: "/home/bee", config_home: "/home/bee/.config", data_home: "/home/bee/.local/share" },
  search_path: ["/home/bee/.local/bin", "/usr/local/bin", "/usr/bin"],
  ...{ node: "/usr/bin/node", program: "/src/rbee/dist/bin/rbee.js", nvidia: false, variables: {} }
}

const failed = (reason: string) =>
  new InstallFailed({ node: localhost, step: "test", reason, log_lines: [], suggestion: null })

const make = ({ surroundings = {}, things = {}, itself, unwritable = [] }: PremisesTestOptions) => {
  const there = new Map(Object.entries(things))
  const linkAt = ({ path, target }: { readonly path: string; readonly target: string }) => {
    const thing = there.get(path)
    if (thing === undefined) return "nothing"
    return thing.type === "link" && thing.target === target ? "same" : "other"
  }
  const packageAt = (path: string) => {
    if (path === itself) return "itself"
    const thing = there.get(path)
    return thing === undefined ? "nothing" : thing.type === "package" ? "rbee" : "other"
  }

  const premises = Premises.of({
    surroundings: { ...usual, ...surroundings },
    packageAt: (path) => Effect.sync(() => packageAt(path)),
    install: (path, { sha256, version }) =>
      Effect.suspend(() => {
        if (packageAt(path) === "other") return failed(`${path} holds something else`)
        const before = there.get(path)
        there.set(path, { type: "package", sha256 })
        const changed = !(before?.type === "package" && before.sha256 === sha256)
        return Effect.succeed({ type: "done" as const, version, changed })
      }),
    linkAt: (link) => Effect.sync(() => linkAt(link)),
    link: (link) =>
      Effect.suspend(() => {
        if (linkAt(link) === "other") return failed(`${link.path} is there`)
        there.set(link.path, { type: "link", target: link.target })
        return Effect.void
      }),
    exists: (path) => Effect.sync(() => there.has(path)),
    unwritable: (path) =>
      Effect.sync(() => Option.fromNullable(unwritable.find((folder) => path.startsWith(`${folder}/`)))),
    writeConfig: (path, text, secret) =>
      Effect.sync(() => {
        if (there.has(path)) return false
        there.set(path, { type: "file", text, secret })
        return true
      }),
    writeFile: (path, text) => Effect.sync(() => void there.set(path, { type: "file", text })),
    example: Effect.succeed("# An example\n[queen]\nport = 8080   # where it listens\n")
  })
  const tests = PremisesTest.of({
    things: Effect.sync(() => new Map(there)),
    put: (path, thing) => Effect.sync(() => void there.set(path, thing))
  })
  return Context.make(Premises, premises).pipe(Context.add(PremisesTest, tests))
}
