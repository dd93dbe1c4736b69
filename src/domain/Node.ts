/** Nodes: the machines of the pool (data.md, table `beehives`). */
import * as Schema from "effect/Schema"
import { Backend } from "./Device.js"
import { localhost, NodeName } from "./Ids.js"
import { Count, Milliseconds, UnixSeconds } from "./Units.js"

/** How the queen reaches a node's hive: through SSH, or directly in a LAN. */
export const Transport = Schema.Literal("ssh", "direct")

/** Whether a node answered when it was last asked. */
export const NodeStatus = Schema.Literal("unknown", "reachable", "unreachable")

/** A host name or address: nothing that ssh could take for an option, nothing a shell would read. */
export const Host = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9_:][A-Za-z0-9._:%-]{0,252}$/, { message: () => "a host name or an IP address" })
)

/** A user's name on a node. */
export const UserName = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z_][A-Za-z0-9._-]{0,63}$/, { message: () => "a user name" })
)

/** A path on a node: absolute, or below the home directory with `~/`; nothing a shell would read but spaces, no `..`. */
export const NodePath = Schema.String.pipe(
  Schema.pattern(/^(?:~\/|\/)[^\x00-\x1f\x7f-\x9f;|&$`<>(){}[\]*?!"'\\#~]{1,1000}$/, {
    message: () => "an absolute path, or one that starts with ~/, without shell characters"
  }),
  Schema.filter((path) => !path.split("/").includes(".."), { message: () => "a path without '..'" })
)

/** The path of a private key on the machine that connects, not on the node: only a program reads it, never a shell. */
export const KeyPath = Schema.String.pipe(
  Schema.pattern(/^[^\x00-\x1f\x7f-\x9f]{1,1000}$/, { message: () => "a path without control characters" })
)

/** A git repository's address. */
export const GitRepo = Schema.String.pipe(
  Schema.pattern(/^(?:https?:\/\/|ssh:\/\/|git@|file:\/\/|\/)[^\s\x00-\x1f\x7f-\x9f;|&$`<>(){}*!"'\\]{1,500}$/, {
    message: () => "a git URL: https://…, ssh://…, git@host:path or file:///path"
  })
)

/** A git branch's name. */
export const GitBranch = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}$/, { message: () => "a branch name" })
)

const address = {
  node_name: NodeName,
  ssh_host: Host,
  ssh_port: Schema.Int.pipe(Schema.between(1, 65535)),
  ssh_user: UserName,
  ssh_key_path: Schema.NullOr(KeyPath),
  git_repo_url: Schema.NullOr(GitRepo),
  git_branch: GitBranch,
  install_path: NodePath,
  transport: Transport
}

/** How many devices each backend has. */
export const DeviceCounts = Schema.partial(Schema.Record({ key: Backend, value: Count }))

/** What a node can compute on: `rbee-hive detect`'s answer, stored with the node. */
export const Detection = Schema.Struct({ backends: Schema.Array(Backend), devices: DeviceCounts }).annotations({
  identifier: "Detection"
})
export type Detection = typeof Detection.Type

/**
 * What a user says about a node when adding it. Port and user left out are those of `~/.ssh/config` for that host, or 22 and
 * the user's own name; a repository is needed for installations from git only; backends and devices left out are detected.
 */
export const NewNode = Schema.Struct({
  ...address,
  ssh_port: Schema.optionalWith(Schema.NullOr(address.ssh_port), { default: () => null }),
  ssh_user: Schema.optionalWith(Schema.NullOr(address.ssh_user), { default: () => null }),
  ssh_key_path: Schema.optionalWith(address.ssh_key_path, { default: () => null }),
  git_repo_url: Schema.optionalWith(address.git_repo_url, { default: () => null }),
  git_branch: Schema.optionalWith(address.git_branch, { default: () => "main" }),
  install_path: Schema.optionalWith(address.install_path, { default: () => "~/rbee" }),
  transport: Schema.optionalWith(Transport, { default: () => "ssh" as const }),
  backends: Schema.optional(Detection.fields.backends),
  devices: Schema.optional(DeviceCounts)
}).annotations({ identifier: "NewNode", parseOptions: { errors: "all" } })
export type NewNode = typeof NewNode.Type

/** An SSH host key's fingerprint, as OpenSSH prints it. */
export const Fingerprint = Schema.String.pipe(
  Schema.pattern(/^SHA256:[A-Za-z0-9+/]{43}$/, { message: () => "a fingerprint: SHA256: and 43 characters" })
)

/** What is to be different about a node from now on; what is left out stays. SSH is tested again before it is saved. */
export const NodeChanges = Schema.Struct({
  ssh_host: Schema.optional(address.ssh_host),
  ssh_port: Schema.optional(address.ssh_port),
  ssh_user: Schema.optional(address.ssh_user),
  ssh_key_path: Schema.optional(address.ssh_key_path),
  git_repo_url: Schema.optional(address.git_repo_url),
  git_branch: Schema.optional(address.git_branch),
  install_path: Schema.optional(address.install_path),
  transport: Schema.optional(address.transport),
  /** The one host key that is accepted in the place of the recorded one. */
  accept_host_key: Schema.optional(Fingerprint)
}).annotations({ identifier: "NodeChanges", parseOptions: { errors: "all" } })
export type NodeChanges = typeof NodeChanges.Type

/** Where rbee on a node comes from: its git repository, or this very package, uploaded. */
export const InstallSource = Schema.Literal("git", "local").annotations({ identifier: "InstallSource" })
export type InstallSource = typeof InstallSource.Type

/** What an installation came to; `changed` is false where the same was installed already. */
export const Installed = Schema.Struct({
  node: NodeName,
  from: InstallSource,
  install_path: NodePath,
  version: Schema.String,
  changed: Schema.Boolean
}).annotations({ identifier: "Installed" })
export type Installed = typeof Installed.Type

/** A node as the registry keeps it. `devices` counts each backend's devices. */
export const NodeRecord = Schema.Struct({
  ...address,
  last_connected_unix: Schema.NullOr(UnixSeconds),
  last_error: Schema.NullOr(Schema.String),
  status: NodeStatus,
  backends: Schema.Array(Backend),
  devices: DeviceCounts
}).annotations({ identifier: "NodeRecord" })
export type NodeRecord = typeof NodeRecord.Type

/**
 * The built-in node: this very machine, whose hive is a child process. What only SSH would need names nothing, in the form
 * that the schema asks for: the record is encoded like any other.
 */
export const localhostNode: NodeRecord = {
  node_name: localhost,
  ssh_host: "localhost",
  ssh_port: 22,
  ssh_user: "nobody",
  ssh_key_path: null,
  git_repo_url: null,
  git_branch: "main",
  install_path: "/dev/null",
  transport: "ssh",
  last_connected_unix: null,
  last_error: null,
  status: "reachable",
  backends: ["cpu"],
  devices: { cpu: 1 }
}

/** Whether a node is this machine, reached without SSH. */
export const isLocal = (node: NodeRecord): boolean => node.node_name === localhost

/** Phase 2a's result: every check that passed, with its figures. `hive_command` is how rbee is started there. */
export const SshReport = Schema.Struct({
  node: NodeName,
  latency_ms: Milliseconds,
  hive_command: Schema.String,
  hive_version: Schema.String
})
export type SshReport = typeof SshReport.Type
