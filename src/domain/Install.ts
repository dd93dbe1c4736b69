/** Putting rbee on a node: what a look at the node tells, what its side is asked to do, and what that says meanwhile. */
import * as Schema from "effect/Schema"
import { InstallFailed } from "./errors/Hive.js"
import { NodeName } from "./Ids.js"
import { Narration } from "./Narration.js"
import { GitBranch, GitRepo, InstallSource, NodePath } from "./Node.js"
import { Bytes, UnixSeconds } from "./Units.js"

/**
 * What an installation says of itself in a file at its root: where it came from, and the package's sha256 or the commit. What
 * has no such file is not ours: it is never replaced and never removed.
 */
export const Marker = Schema.Struct({
  from: InstallSource,
  identity: Schema.String,
  version: Schema.String,
  at_unix: UnixSeconds
})
export type Marker = typeof Marker.Type

/** What compiled packages must agree on. `libc` is `-` where there is but one; `modules` is Node's own binary interface. */
export const Machine = Schema.Struct({
  platform: Schema.String,
  arch: Schema.String,
  libc: Schema.Literal("glibc", "musl", "-"),
  modules: Schema.String
})
export type Machine = typeof Machine.Type

/** What stands at the install path. */
export const Found = Schema.Literal("nothing", "empty", "rbee", "other")

/** What a look at a node tells, before anything is sent there. */
export const NodeFacts = Schema.Struct({
  ...Machine.fields,
  node_version: Schema.String,
  /** The absolute install path, behind symbolic links. */
  path: Schema.String,
  found: Found,
  /** The marker of what stands there. */
  marker: Schema.NullOr(Marker),
  /** Whether its folder, or the next one above that exists, can be written to. */
  writable: Schema.Boolean,
  /** Room for an ordinary user on that disk; null where the system does not tell. */
  free_bytes: Schema.NullOr(Bytes),
  /** Whether NVIDIA's driver is there. */
  nvidia: Schema.Boolean
})
export type NodeFacts = typeof NodeFacts.Type

/** The package that comes by SFTP. */
export const PackageSource = Schema.Struct({
  from: Schema.Literal("local"),
  sha256: Schema.String,
  version: Schema.String
})
export type PackageSource = typeof PackageSource.Type

/** A branch that the node fetches and builds itself. */
export const GitSource = Schema.Struct({ from: Schema.Literal("git"), url: GitRepo, branch: GitBranch })
export type GitSource = typeof GitSource.Type

/** What the node's side is asked to do; one line on its standard input. */
export const InstallRequest = Schema.Union(
  Schema.Struct({
    action: Schema.Literal("install"),
    node: NodeName,
    path: NodePath,
    source: Schema.Union(PackageSource, GitSource)
  }),
  Schema.Struct({ action: Schema.Literal("purge"), node: NodeName, path: NodePath })
)
export type InstallRequest = typeof InstallRequest.Type

/** It goes on when a file is at that path: the package, or word that the node's hive was given up. */
export const Awaits = Schema.Struct({
  type: Schema.Literal("awaits"),
  what: Schema.Literal("package", "release"),
  path: Schema.String
})
export type Awaits = typeof Awaits.Type

/** It is done; `version` is what now stands there, null after a removal. */
export const InstallDone = Schema.Struct({
  type: Schema.Literal("done"),
  version: Schema.NullOr(Schema.String),
  changed: Schema.Boolean
})
export type InstallDone = typeof InstallDone.Type

/** It failed, and what was there before is as it was. */
export const InstallFailure = Schema.Struct({ type: Schema.Literal("failed"), error: InstallFailed })

/** A line of the node's side: narration, or one of the above. */
export const InstallerEvent = Schema.Union(Narration, Awaits, InstallDone, InstallFailure)
export type InstallerEvent = typeof InstallerEvent.Type
