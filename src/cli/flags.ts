/** The values of a command's flags. */
import type * as Options from "@effect/cli/Options"

/** What a record of options holds once it has been parsed. */
export type Flags<O> = { readonly [K in keyof O]: O[K] extends Options.Options<infer A> ? A : never }
