/** Models on a node: what the catalog keeps (data.md, table `models`). */
import * as Schema from "effect/Schema"
import { Bytes, UnixSeconds } from "./Units.js"

/** Where a model comes from. */
export const Provider = Schema.Literal("demo", "file", "hf")
export type Provider = typeof Provider.Type

/** A model file of a node. `reference` is the model reference's text; `sha256` is known for what was downloaded. */
export const ModelEntry = Schema.Struct({
  id: Schema.String,
  provider: Provider,
  reference: Schema.String,
  local_path: Schema.String,
  size_bytes: Bytes,
  sha256: Schema.NullOr(Schema.String),
  quantization: Schema.NullOr(Schema.String),
  downloaded_at_unix: UnixSeconds
}).annotations({ identifier: "ModelEntry" })
export type ModelEntry = typeof ModelEntry.Type

/** A verified file, not yet in the catalog (phase 6's result). */
export const ModelFile = ModelEntry.pick("provider", "reference", "local_path", "size_bytes", "sha256").annotations({
  identifier: "ModelFile"
})
export type ModelFile = typeof ModelFile.Type
