/** This package, packed in memory, and scripts that a test's nodes recognise. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Machine } from "../domain/Install.js"
import { version } from "../domain/Version.js"
import { Packager, type PackedPackage } from "../services/Packager.js"
import { makeJournal } from "./journal.js"

/** What is said of the package; by default it can be packed, for Linux on x64. */
export interface PackagerTestOptions {
  readonly machine?: Partial<Machine>
  /** The Node versions that it runs on; by default all. */
  readonly runsOn?: (node_version: string) => boolean
  readonly packed?: Partial<PackedPackage>
  /** Why it cannot be packed. */
  readonly pack_fault?: string | null
  /** Why the scripts for nodes cannot be read. */
  readonly scripts_fault?: string | null
}

/** What happened, in order. */
export type PackagerEvent =
  | { readonly _tag: "packed"; readonly cuda: boolean }
  /** The packed file went with its scope. */
  | { readonly _tag: "removed" }

/** What the double's scripts are: nodes in tests tell by them what they are to play. */
export const testScripts = { look: "// look\n", installer: "// installer\n" }

/** The tests' side of {@link Packager}. */
export class PackagerTest extends Context.Tag("rbee/PackagerTest")<
  PackagerTest,
  { readonly journal: Effect.Effect<ReadonlyArray<PackagerEvent>> }
>() {
  /** The double. */
  static readonly layer = (options: PackagerTestOptions = {}): Layer.Layer<Packager | PackagerTest> =>
    Layer.effectContext(Effect.sync(() => make(options)))
}

const make = ({
  machine = {},
  runsOn = () => true,
  packed = {},
  pack_fault = null,
  scripts_fault = null
}: PackagerTestOptions) => {
  const { note, entries } = makeJournal<PackagerEvent>()
  const usual: PackedPackage = {
    path: "/tmp/rbee.tgz",
    sha256: "5ba".padEnd(64, "0"),
    version,
    size_bytes: 17_000_000,
    unpacked_bytes: 43_000_000
  }
  const packager = Packager.of({
    node_range: ">=20.19",
    runsOn,
    machine: { platform: "linux", arch: "x64", libc: "glibc", modules: "115", ...machine },
    scripts: scripts_fault === null ? Effect.succeed(testScripts) : Effect.fail({ reason: scripts_fault }),
    pack: ({ cuda }) =>
      pack_fault === null
        ? Effect.as(
            Effect.acquireRelease(note({ _tag: "packed", cuda }), () => note({ _tag: "removed" })),
            { ...usual, ...packed }
          )
        : Effect.fail({ reason: pack_fault })
  })
  return Context.make(Packager, packager).pipe(Context.add(PackagerTest, PackagerTest.of({ journal: entries })))
}
