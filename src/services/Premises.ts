/** This machine, as the place where rbee is installed by `rbee install`. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { InstallFailed } from "../domain/errors/Hive.js"
import type { Found, InstallDone } from "../domain/Install.js"
import type { Surroundings } from "../domain/LocalInstall.js"
import type { Narrator } from "./Narrator.js"
import type { PackedPackage } from "./Packager.js"

/** A link to one of the programs. */
export interface ProgramLink {
  readonly path: string
  readonly target: string
}

/** Files and folders of this machine. Absolute paths, whatever folder is taken for the root of the file system. */
export class Premises extends Context.Tag("rbee/Premises")<
  Premises,
  {
    readonly surroundings: Surroundings
    /** What stands at the package's place; `itself` is the very package that runs. */
    readonly packageAt: (path: string) => Effect.Effect<typeof Found.Type | "itself">
    /** Puts a packed package there as a whole, as on a node; what is not ours is refused. */
    readonly install: (path: string, packed: PackedPackage) => Effect.Effect<InstallDone, InstallFailed, Narrator>
    /** What stands at a link's place: nothing, this very link, or something else. */
    readonly linkAt: (link: ProgramLink) => Effect.Effect<"nothing" | "same" | "other">
    /** Makes a link where nothing stands; folders above it are made. */
    readonly link: (link: ProgramLink) => Effect.Effect<void, InstallFailed>
    readonly exists: (path: string) => Effect.Effect<boolean>
    /** The folder that would have to be written to for that path, where it may not be. */
    readonly unwritable: (path: string) => Effect.Effect<Option.Option<string>>
    /** Writes a configuration where there is none, and tells whether; for its owner alone, or for everybody. */
    readonly writeConfig: (path: string, text: string, secret: boolean) => Effect.Effect<boolean, InstallFailed>
    /** Writes a file that everybody may read, whole or not at all, over one that is there. */
    readonly writeFile: (path: string, text: string) => Effect.Effect<void, InstallFailed>
    /** The example of a configuration that the package ships. */
    readonly example: Effect.Effect<string, InstallFailed>
  }
>() {}
