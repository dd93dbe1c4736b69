/** Which versions go together. */
import * as Context from "effect/Context"

/** Comparison of versions by semver. */
export class Versions extends Context.Tag("rbee/Versions")<
  Versions,
  { readonly satisfies: (version: string, range: string) => boolean }
>() {}
