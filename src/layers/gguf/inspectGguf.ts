import * as Effect from "effect/Effect"
import type { GgufInfo } from "../../domain/Gguf.js"
import type { NotAModel } from "../../services/ModelFiles.js"
import { readGguf, whyUnreadable } from "./readGguf.js"

/** What the model at `path` says of itself, of a split model all its files; else why it cannot be used. */
export const inspectGguf = (path: string): Effect.Effect<GgufInfo, NotAModel> =>
  Effect.try({ try: () => readGguf(path), catch: (thrown) => ({ reason: whyUnreadable(thrown) }) })
