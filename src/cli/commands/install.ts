import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Flags } from "../flags.js"
import { lazily } from "../lazily.js"

/** The flags of `install`. */
export const options = {
  system: Options.boolean("system").pipe(
    Options.withDescription("for everybody: /usr/local/lib/rbee, /usr/local/bin, /etc/rbee; needs root")
  ),
  root: Options.text("root").pipe(
    Options.withDescription("a folder that is taken for the root of the file system, for making packages"),
    Options.optional
  ),
  cuda: Options.boolean("cuda").pipe(
    Options.withDescription("take the parts for NVIDIA's GPUs along, even if their driver is not here yet")
  ),
  json: Options.boolean("json").pipe(Options.withDescription("one JSON document on stdout: paths, units, commands"))
}

/** What they hold. */
export type InstallFlags = Flags<typeof options>

/** `rbee install` */
export const install = Command.make(
  "install",
  options,
  lazily(() => import("../run/installHere.js"))
).pipe(
  Command.withDescription(
    "Put the rbee that runs in its place on this machine: the program in ~/.local/share/rbee, links in ~/.local/bin, a commented configuration in ~/.config/rbee. Prints the systemd units of queen and hive on stdout, and what to do with them on stderr. Doing it again updates; nothing that rbee did not put there is replaced. Other machines: rbee setup install"
  )
)
