/** Errors of models: their names, downloads and files. `reference` is the model reference's text. */
import * as Schema from "effect/Schema"
import { Count } from "../Units.js"

const reference = { reference: Schema.String }

/** EH-015a. `rule` says which rule the reference broke, never the reference. */
export class InvalidModelRef extends Schema.TaggedError<InvalidModelRef>()("InvalidModelRef", {
  rule: Schema.String
}) {}

/** EH-007a. `missing` is what there is not; `near` holds references that do exist in the same place. */
export class ModelNotFound extends Schema.TaggedError<ModelNotFound>()("ModelNotFound", {
  ...reference,
  missing: Schema.Literal("repository", "revision", "file", "model", "entry", "worker"),
  near: Schema.Array(Schema.String)
}) {}

/** Why the hub does not open a model: no token was sent, the token is not valid, or it is not granted access. */
export const AccessProblem = Schema.Literal("token_missing", "token_refused", "not_granted")
export type AccessProblem = typeof AccessProblem.Type

/** EH-007b. */
export class ModelAccessDenied extends Schema.TaggedError<ModelAccessDenied>()("ModelAccessDenied", {
  ...reference,
  problem: AccessProblem
}) {}

/** No download of that id runs, or ran lately. */
export class DownloadNotFound extends Schema.TaggedError<DownloadNotFound>()("DownloadNotFound", {
  download_id: Schema.String
}) {}

/** A model that a worker holds is not removed from the disk under it. */
export class ModelInUse extends Schema.TaggedError<ModelInUse>()("ModelInUse", {
  ...reference,
  workers: Schema.Array(Schema.String)
}) {}

/** EH-008a. */
export class DownloadTimeout extends Schema.TaggedError<DownloadTimeout>()("DownloadTimeout", {
  ...reference,
  attempts: Count
}) {}

/** EH-008b. */
export class DownloadFailed extends Schema.TaggedError<DownloadFailed>()("DownloadFailed", {
  ...reference,
  attempts: Count,
  reason: Schema.String
}) {}

/** EH-008c. */
export class ChecksumMismatch extends Schema.TaggedError<ChecksumMismatch>()("ChecksumMismatch", {
  ...reference,
  expected_sha256: Schema.String,
  actual_sha256: Schema.String
}) {}

/** Not a GGUF file, a truncated one, or one of an architecture that the engine does not know. */
export class InvalidModelFile extends Schema.TaggedError<InvalidModelFile>()("InvalidModelFile", {
  ...reference,
  reason: Schema.String
}) {}
