/** Worker binaries: what a node's catalog knows of them, and what is asked of a hive that is to build one. */
import * as Schema from "effect/Schema"
import { GitBranch, GitRepo, type NodeRecord } from "./Node.js"
import { UnixSeconds } from "./Units.js"

const word = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** A worker type's name. It becomes an argument and a folder's name: letters, digits, dots, dashes and underscores. */
export const WorkerType = Schema.String.pipe(
  Schema.pattern(word, { message: () => "a worker type of letters, digits, dots, dashes and underscores" })
)

/** What a worker is built with, such as `cuda`. */
export const Feature = Schema.String.pipe(
  Schema.pattern(word, { message: () => "a feature of letters, digits, dots, dashes and underscores" })
)

/** The git branch that a worker is built from. */
export const BuildSource = Schema.Struct({ url: GitRepo, branch: GitBranch })
export type BuildSource = typeof BuildSource.Type

/** What a node's workers are built from where its hive's settings name nothing, as far as the registry says. */
export const builtFrom = ({
  git_repo_url: url,
  git_branch: branch
}: Pick<NodeRecord, "git_repo_url" | "git_branch">): { readonly build_from?: BuildSource } =>
  url === null ? {} : { build_from: { url, branch } }

/** What is to be built; the features are sorted, each there once. */
export interface BuildOrder {
  readonly worker_type: string
  readonly features: ReadonlyArray<string>
  readonly source: BuildSource
}

/** A row of the table `worker_binaries`. */
export const WorkerBinaryEntry = Schema.Struct({
  id: Schema.String,
  worker_type: Schema.String,
  version: Schema.String,
  binary_path: Schema.String,
  features: Schema.Array(Schema.String),
  built_at_unix: UnixSeconds
})
export type WorkerBinaryEntry = typeof WorkerBinaryEntry.Type

/** A worker binary as lists show it. */
export const ListedBinary = Schema.Struct({
  worker_type: Schema.String,
  version: Schema.String,
  binary_path: Schema.String,
  features: Schema.Array(Schema.String),
  installed_at_unix: UnixSeconds
}).annotations({ identifier: "ListedBinary" })
export type ListedBinary = typeof ListedBinary.Type

/** The entry as lists show it. */
export const listed = ({ id: _, built_at_unix, ...rest }: WorkerBinaryEntry): ListedBinary => ({
  ...rest,
  installed_at_unix: built_at_unix
})

/** Features as they are kept and compared: sorted, each once. */
export const canonical = (features: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(features)].sort()

/** `POST /v1/worker-binaries/provision`. Without a repository it is built from the one that the hive's settings name. */
export const ProvisionRequest = Schema.Struct({
  worker_type: WorkerType,
  features: Schema.optionalWith(Schema.Array(Feature).pipe(Schema.maxItems(32)), { default: () => [] }),
  force_rebuild: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  git_repo_url: Schema.optionalWith(Schema.NullOr(GitRepo), { default: () => null }),
  git_branch: Schema.optionalWith(GitBranch, { default: () => "main" })
}).annotations({ identifier: "ProvisionRequest", parseOptions: { errors: "all" } })
export type ProvisionRequest = typeof ProvisionRequest.Type
