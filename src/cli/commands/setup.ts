import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Flags } from "../flags.js"
import { lazily } from "../lazily.js"

const text = (flag: string, description: string) => Options.text(flag).pipe(Options.withDescription(description))
const json = Options.boolean("json").pipe(Options.withDescription("one JSON document on stdout"))
const name = text("name", "the node's name: lower-case letters, digits, dashes")
const node = text("node", "the node's name")
const sshHost = text("ssh-host", "host name, address, or an alias of ~/.ssh/config")
const gitRepo = text("git-repo", "where rbee is installed from with install --from git").pipe(Options.optional)
const gitBranch = text("git-branch", "its branch")
const transport = Options.choice("transport", ["ssh", "direct"]).pipe(
  Options.withDescription("how its hive is reached: through SSH, or directly in a LAN")
)

/** The flags of `setup add-node`. */
export const addNodeOptions = {
  name,
  sshHost,
  sshPort: Options.integer("ssh-port").pipe(
    Options.withDescription("sshd's port; left out, what ~/.ssh/config says, or 22"),
    Options.optional
  ),
  sshUser: text("ssh-user", "whom to log in as; left out, what ~/.ssh/config says, or your own name").pipe(
    Options.optional
  ),
  sshKey: text("ssh-key", "private key; left out, the agent's and ~/.ssh's").pipe(Options.optional),
  gitRepo,
  gitBranch: gitBranch.pipe(Options.withDefault("main")),
  installPath: text("install-path", "rbee's folder there: absolute, or starting with ~/; left out, ~/rbee").pipe(
    Options.optional
  ),
  transport: transport.pipe(Options.withDefault("ssh")),
  json
}

/** What they hold. */
export type AddNodeFlags = Flags<typeof addNodeOptions>

const addNode = Command.make(
  "add-node",
  addNodeOptions,
  lazily(() => import("../run/addNode.js"))
).pipe(Command.withDescription("Test a machine's SSH, show and record its host key, and add it to the pool"))

/** The flags of `setup update-node`: what is left out stays. */
export const updateNodeOptions = {
  name,
  sshHost: sshHost.pipe(Options.optional),
  sshPort: Options.integer("ssh-port").pipe(Options.withDescription("sshd's port"), Options.optional),
  sshUser: text("ssh-user", "whom to log in as").pipe(Options.optional),
  sshKey: text("ssh-key", "private key; \"\" for the agent's and ~/.ssh's again").pipe(Options.optional),
  gitRepo,
  gitBranch: gitBranch.pipe(Options.optional),
  installPath: text("install-path", "rbee's folder on the node").pipe(Options.optional),
  transport: transport.pipe(Options.optional),
  acceptHostKey: text(
    "accept-host-key",
    "the new host key's fingerprint, SHA256:…, once you have compared it on the node's console"
  ).pipe(Options.optional),
  json
}

/** What they hold. */
export type UpdateNodeFlags = Flags<typeof updateNodeOptions>

const updateNode = Command.make(
  "update-node",
  updateNodeOptions,
  lazily(() => import("../run/updateNode.js"))
).pipe(Command.withDescription("Change what is known of a machine; its SSH is tested again before that is saved"))

const listNodes = Command.make(
  "list-nodes",
  { json },
  lazily(() => import("../run/listNodes.js"))
).pipe(Command.withDescription("Show the machines of the pool"))

const removeNode = Command.make(
  "remove-node",
  {
    name,
    purge: Options.boolean("purge").pipe(
      Options.withDescription("take what install put on the machine off it as well; models and logs stay")
    ),
    json
  },
  lazily(() => import("../run/removeNode.js"))
).pipe(Command.withDescription("Take a machine off the pool; without --purge nothing is changed on it"))

const install = Command.make(
  "install",
  {
    node,
    from: Options.choice("from", ["local", "git"]).pipe(
      Options.withDescription("local: this very package is uploaded; git: the node builds its git repository"),
      Options.withDefault("local")
    ),
    json
  },
  lazily(() => import("../run/install.js"))
).pipe(Command.withDescription("Put rbee on a machine, or bring it to this version"))

const preflight = Command.make(
  "preflight",
  { node, json },
  lazily(() => import("../run/preflight.js"))
).pipe(Command.withDescription("Check whether a machine could serve: its SSH, its rbee, its hive"))

const claim = Command.make(
  "claim",
  { node, json },
  lazily(() => import("../run/claim.js"))
).pipe(Command.withDescription("Take a machine back that another queen has claimed"))

/** `rbee setup …` */
export const setup = Command.make("setup").pipe(
  Command.withDescription("The machines of the pool"),
  Command.withSubcommands([addNode, updateNode, listNodes, removeNode, install, preflight, claim])
)
