/** The node's RAM and disk. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Resources } from "../domain/Hive.js"

/** What is there and what is free, read afresh at every call; limits of a cgroup count. */
export class Memory extends Context.Tag("rbee/Memory")<Memory, { readonly resources: Effect.Effect<Resources> }>() {}
