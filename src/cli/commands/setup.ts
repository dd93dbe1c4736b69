import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Flags } from "../flags.js"
import { lazily } from "../lazily.js"

const json = Options.boolean("json").pipe(Options.withDescription("one JSON document on stdout"))
const name = Options.text("name").pipe(Options.withDescription("the node's name: lower-case letters, digits, dashes"))

/** The flags of `setup add-node`. */
export const addNodeOptions = {
  name,
  sshHost: Options.text("ssh-host").pipe(Options.withDescription("host name or address")),
  sshPort: Options.integer("ssh-port").pipe(Options.withDescription("sshd's port"), Options.withDefault(22)),
  sshUser: Options.text("ssh-user").pipe(Options.withDescription("whom to log in as")),
  sshKey: Options.text("ssh-key").pipe(
    Options.withDescription("private key; left out, the agent's and ~/.ssh's"),
    Options.optional
  ),
  gitRepo: Options.text("git-repo").pipe(Options.withDescription("where rbee is installed from")),
  gitBranch: Options.text("git-branch").pipe(Options.withDefault("main")),
  installPath: Options.text("install-path").pipe(Options.withDescription("rbee's folder on the node")),
  json
}

/** What they hold. */
export type AddNodeFlags = Flags<typeof addNodeOptions>

const addNode = Command.make(
  "add-node",
  addNodeOptions,
  lazily(() => import("../run/addNode.js"))
).pipe(Command.withDescription("Test a machine's SSH, show and record its host key, and add it to the pool"))

const listNodes = Command.make(
  "list-nodes",
  { json },
  lazily(() => import("../run/listNodes.js"))
).pipe(Command.withDescription("Show the machines of the pool"))

const removeNode = Command.make(
  "remove-node",
  { name, json },
  lazily(() => import("../run/removeNode.js"))
).pipe(Command.withDescription("Take a machine off the pool; nothing is changed on it"))

/** `rbee setup …` */
export const setup = Command.make("setup").pipe(
  Command.withDescription("The machines of the pool"),
  Command.withSubcommands([addNode, listNodes, removeNode])
)
