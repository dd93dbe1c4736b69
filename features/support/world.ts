/** What a scenario has to itself: folders, ports, a machine reached by SSH, and everything that it runs. */
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { World } from "@cucumber/cucumber"
import { startHost, type TestHost } from "../../test/support/netns.js"
import { queenPort, releasePorts, workerPorts } from "../../test/support/ports.js"
import { type SshdOptions, startSshd, type TestSshd } from "../../test/support/sshd.js"
import { RbeeCommand } from "./command.js"
import { type ModelHub, type ModelOnHub, sha256Of, startHub } from "./hub.js"
import { writeEndlessModel } from "./models.js"
import { processesOf, type RbeeProcess, untilEnded } from "./processes.js"
import type { StandIn } from "./standIn.js"

/** The package whose built command is run. */
export const root = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "")

/** A machine with a network of its own, so that its link can be cut. */
export interface NetworkedMachine {
  readonly host: TestHost
  readonly sshd: TestSshd
  /** RBEE_HOME there. */
  readonly home: string
}

/** A scenario's world. */
export class RbeeWorld extends World {
  /** Removed at the end. */
  folder = ""
  /** RBEE_HOME of the user's own machine: keeper, queen, and the hive of localhost. */
  home = ""
  /** RBEE_HOME on the machine that is reached by SSH. */
  nodeHome = ""
  /** RBEE_HOME of another user of this machine. */
  otherHome = ""
  /** The machine that is reached by SSH, once there is one, and rbee's folder on it. */
  machine: TestSshd | undefined
  installPath = root
  /** The machines with networks of their own, by their nodes' names. */
  readonly machines = new Map<string, NetworkedMachine>()
  /** What answers there in the place of a hive, once there is one. */
  standIn: StandIn | undefined
  /** The model hub that this scenario has to itself, once there is one. */
  modelHub: ModelHub | undefined
  /** What `rbee` is: the one that was built, unless a scenario installs another; and what runs it. */
  program = Path.join(root, "dist", "bin", "rbee.js")
  inside: ReadonlyArray<string> = []
  /** Every command that was run, in order. */
  readonly commands: Array<RbeeCommand> = []
  /** Processes that were looked at, to be told later whether they are still the same. */
  readonly seen = new Map<string, RbeeProcess>()
  /** What is run at the end so that nothing is left. */
  readonly goodbyes: Array<() => Promise<void>> = []
  /** What this process itself serves for the scenario, to be closed however it ends. */
  readonly closers: Array<() => Promise<void>> = []
  #env: Readonly<Record<string, string>> = {}
  #otherPort: string | undefined
  /** Variables of every user, on every machine that is started from now on. */
  #everywhere: Readonly<Record<string, string>> = {}
  /** What the host before the machine logged. */
  jumpLog = (): string => ""
  /** What features call by names of their own: `{endless model}`. */
  readonly named = new Map<string, string>()

  readonly open = async (): Promise<void> => {
    this.folder = await Fs.mkdtemp(Path.join(Os.tmpdir(), "rbee-scenario-"))
    this.home = Path.join(this.folder, "rbee")
    this.nodeHome = Path.join(this.folder, "node", "rbee")
    this.otherHome = Path.join(this.folder, "other", "rbee")
    const bin = Path.join(this.folder, "bin")
    await Promise.all([bin, Path.join(this.folder, "node")].map((folder) => Fs.mkdir(folder)))
    await Fs.symlink(process.execPath, Path.join(bin, "node"))
    this.#env = {
      ...(await this.#userEnv(this.folder, this.home)),
      RBEE_QUEEN_PORT: `${await queenPort()}`
    }
  }

  /** Nothing of the real user's: no configuration, no keys, no rbee on the PATH. */
  async #userEnv(user: string, home: string): Promise<Readonly<Record<string, string>>> {
    return {
      PATH: [Path.join(this.folder, "bin"), "/usr/local/bin", "/usr/bin", "/bin"].join(":"),
      HOME: user,
      XDG_CONFIG_HOME: Path.join(user, ".config"),
      LANG: "C.UTF-8",
      RBEE_HOME: home,
      RBEE_HIVE_PORT: "0",
      ...(await workerPorts()),
      ...this.#everywhere
    }
  }

  /** Leaves nothing on the PATH but Node itself. */
  readonly hideTools = (): void => {
    this.set("PATH", Path.join(this.folder, "bin"))
  }

  /** The environment of the commands. */
  get environment(): Readonly<Record<string, string>> {
    return this.#env
  }

  /** Sets a variable of the commands' environment. */
  readonly set = (name: string, value: string): void => {
    this.#env = { ...this.#env, [name]: value }
  }

  /** A model hub with these files, which every command and every machine knows of. `{commit}` and `{checksum}` are its first file's. */
  readonly startHub = async (files: ReadonlyArray<ModelOnHub>, token?: string): Promise<void> => {
    const hub = await startHub(files, token)
    this.closers.push(hub.stop)
    this.modelHub = hub
    this.#everywhere = { ...this.#everywhere, HF_ENDPOINT: hub.server.url }
    this.set("HF_ENDPOINT", hub.server.url)
    this.named.set("hub", hub.server.url).set("commit", hub.server.commitOf(hub.file.repo))
    this.named.set("checksum", sha256Of(hub.file.content))
  }

  /** The model hub of this scenario. */
  get hub(): ModelHub {
    if (this.modelHub === undefined) throw new Error("this scenario has no model hub")
    return this.modelHub
  }

  /** A machine with a real sshd, whose sessions see a home folder of their own. What is given comes on top of it. */
  readonly startMachine = async ({ env, ...options }: SshdOptions = {}): Promise<TestSshd> => {
    this.machine = await startSshd({
      ...options,
      env: { ...(await this.#userEnv(Path.join(this.folder, "node"), this.nodeHome)), ...env }
    })
    return this.machine
  }

  /** One more machine, with a network of its own; features may call its address `{name address}`. */
  readonly startNetworked = async (name: string): Promise<void> => {
    const host = startHost()
    this.closers.push(async () => host.remove())
    const user = Path.join(this.folder, name)
    const home = Path.join(user, "rbee")
    await Fs.mkdir(user)
    const sshd = await startSshd({ on: host, env: await this.#userEnv(user, home) })
    this.closers.push(sshd.stop)
    this.machines.set(name, { host, sshd, home })
  }

  /** A machine with a network of its own. */
  readonly networked = (name: string): NetworkedMachine => {
    const found = this.machines.get(name)
    if (found === undefined) throw new Error(`no machine ${name} in this scenario`)
    return found
  }

  /** The machine of this scenario, with something in the place of its hive. */
  get hive(): StandIn {
    if (this.standIn === undefined) throw new Error("this scenario has no stand-in for a hive")
    return this.standIn
  }

  /** The machine of this scenario. */
  get sshd(): TestSshd {
    if (this.machine === undefined) throw new Error("this scenario has no machine")
    return this.machine
  }

  /** Starts the command and does not wait for it. */
  readonly start = (args: ReadonlyArray<string>, stdin: string | null = ""): RbeeCommand => {
    const { program, inside } = this
    const command = new RbeeCommand({ inside, program, args, stdin, env: this.#env, cwd: this.folder })
    this.commands.push(command)
    return command
  }

  /** Runs the command to its end. */
  readonly run = async (args: ReadonlyArray<string>, stdin = ""): Promise<RbeeCommand> => {
    const command = this.start(args, stdin)
    await command.exit()
    return command
  }

  /** Runs a command that only prepares what the scenario is about: it has to succeed. */
  readonly prepare = async (args: ReadonlyArray<string>): Promise<RbeeCommand> => {
    const command = await this.run(args)
    if ((await command.exit()) !== 0) throw new Error(`it should have worked: ${command.transcript}`)
    return command
  }

  /** The arguments that add this scenario's machine as a node. */
  readonly addNode = (name: string, key?: string, { host, port, user, keyPath } = this.sshd): ReadonlyArray<string> => [
    ...["setup", "add-node", "--name", name, "--ssh-host", host, "--ssh-port", `${port}`],
    ...["--ssh-user", user, "--ssh-key", key ?? keyPath],
    ...["--git-repo", "https://example.org/rbee.git", "--install-path", this.installPath]
  ]

  /** The command that was run last. */
  get last(): RbeeCommand {
    const command = this.commands.at(-1)
    if (command === undefined) throw new Error("no command was run yet")
    return command
  }

  /** RBEE_HOME of every machine. */
  get #homes(): ReadonlyArray<string> {
    return [this.home, this.nodeHome, this.otherHome, ...[...this.machines.values()].map(({ home }) => home)]
  }

  /** What runs of this scenario, on any machine. */
  readonly processes = (): Promise<ReadonlyArray<RbeeProcess>> => processesOf(this.#homes)

  /** Runs what another user of this machine runs, with a home folder and a queen of their own. */
  readonly asAnother = async (work: () => Promise<unknown>): Promise<void> => {
    const mine = this.#env
    this.#otherPort ??= `${await queenPort()}`
    this.#env = { ...mine, RBEE_HOME: this.otherHome, RBEE_QUEEN_PORT: this.#otherPort }
    try {
      await work()
    } finally {
      this.#env = mine
    }
  }

  /** Tells the queen to end, as a service manager does, and waits until she has. */
  readonly endQueen = async (): Promise<void> => {
    const queens = (await processesOf([this.home])).filter(({ role }) => role === "queen")
    for (const { pid } of queens) kill(pid, "SIGTERM")
    await untilEnded(queens, 60_000)
  }

  /** Makes the model that features call `{endless model}`. */
  readonly writeEndlessModel = async (): Promise<void> => {
    const path = Path.join(this.folder, "endless.gguf")
    await writeEndlessModel(path)
    this.named.set("endless model", `file://${path}`)
  }

  /** Text of a feature with this scenario's own names in it. */
  readonly fill = (text: string): string =>
    text.replace(/\{([a-z ]+)\}/g, (_, name: string) => {
      const found = this.#names()[name]
      if (found === undefined) throw new Error(`no {${name}} in this scenario`)
      return found
    })

  #names(): Readonly<Record<string, string>> {
    const { machine } = this
    const node = machine && {
      host: machine.host,
      port: `${machine.port}`,
      user: machine.user,
      key: machine.keyPath,
      fingerprint: machine.hostKeyFingerprint
    }
    const models = Path.join(this.home, "models")
    return {
      folder: this.folder,
      models,
      "rbee home": this.home,
      "other home": this.otherHome,
      "install path": this.installPath,
      ...node,
      ...Object.fromEntries(this.named)
    }
  }

  /** Ends whatever is left of the scenario and says what that was. */
  readonly close = async (): Promise<ReadonlyArray<RbeeProcess>> => {
    const left: Array<RbeeProcess> = []
    try {
      // Again until there is none: one may have been starting another while we looked.
      for (let found = await this.processes(); found.length > 0; found = await this.processes()) {
        left.push(...found)
        for (const { pid } of found) kill(pid)
        await untilEnded(found, 5_000)
      }
    } finally {
      await this.machine?.stop()
      for (const stop of this.closers.reverse()) await stop()
      await Fs.rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
      releasePorts()
    }
    return left
  }

  /** What the daemons of all machines logged last. */
  readonly logs = async (): Promise<string> => {
    const texts = await Promise.all(
      this.#homes.map(async (home) => {
        const folder = Path.join(home, "logs")
        const names = await Fs.readdir(folder).catch(() => [])
        return Promise.all(
          names.map(async (name) => {
            const lines = (await Fs.readFile(Path.join(folder, name), "utf8")).trimEnd().split("\n")
            return [`--- ${name}:`, ...lines.slice(-40)].join("\n")
          })
        )
      })
    )
    return texts.flat().join("\n")
  }
}

const kill = (pid: number, signal: "SIGTERM" | "SIGKILL" = "SIGKILL") => {
  try {
    process.kill(pid, signal)
  } catch {
    // It ended by itself meanwhile.
  }
}
