/** This very package on this machine's disk. */
import * as Context from "effect/Context"

/** How this package's own programs are started: the arguments of `rbee …` follow the command. */
export class Installation extends Context.Tag("rbee/Installation")<
  Installation,
  { readonly command: readonly [string, ...Array<string>] }
>() {}
