/** The pages that `rbee --help` and `rbee <group> --help` show: what there is, in 80 columns, with examples to copy. */

/** One page: what it is about, its commands with a line each, and examples. */
export interface HelpPage {
  readonly title: string
  readonly usage: string
  readonly commands: ReadonlyArray<readonly [name: string, summary: string]>
  readonly examples: ReadonlyArray<readonly [command: string, what: string]>
}

/** The pages by group; the empty name is rbee itself. A test holds them to the commands that there are. */
export const pages: Readonly<Record<string, HelpPage>> = {
  "": {
    title: "rbee: turn any machines you can reach by SSH into one LLM inference pool",
    usage: "rbee <command> [options]",
    commands: [
      ["infer", "answer a prompt: tokens on stdout, everything else on stderr"],
      ["chat", "talk with a model: it remembers, Ctrl+C stops an answer"],
      ["serve", "a model at an OpenAI-compatible address, until Ctrl+C"],
      ["plan", "what infer would fetch, place and start, and whether it fits"],
      ["setup", "the machines of the pool: add, change, list, remove, install, check"],
      ["workers", "the workers of the pool: list, health, spawn, shutdown"],
      ["models", "the models of a machine: list, download, rm, info"],
      ["catalog", "what is on record here, models and nodes: back up, restore, check"],
      ["logs", "what a machine's hive or worker logged, also when neither runs"],
      ["status", "nodes, hives, workers, models, memory at a glance"],
      ["queen", "the orchestrator: start, stop, status, serve"],
      ["hive", "a machine's pool manager: serve, start, stop, status, detect"],
      ["worker", "one loaded model: serve (what the hive spawns)"],
      ["install", "put this rbee in its place here; prints systemd units"]
    ],
    examples: [
      ['rbee infer --prompt "write a short story"', "here, with the model that rbee ships"],
      ["rbee setup add-node --help", "how a machine is added"],
      ['rbee infer --node workstation --prompt "…" > story.txt', "there, over SSH; the file has the story alone"],
      ["rbee serve --model hf:org/repo --slots 4", "for every program that speaks OpenAI's API"],
      ["rbee queen start", "keeps hives and workers warm between commands"],
      ["rbee install", "rbee on your PATH, and how it runs as a service"]
    ]
  },
  setup: {
    title: "The machines of the pool",
    usage: "rbee setup <command> [options]",
    commands: [
      ["add-node", "test a machine's SSH, record its host key, add it"],
      ["update-node", "change what is known of it; SSH is tested again"],
      ["list-nodes", "show the machines"],
      ["remove-node", "take it off; with --purge rbee off the machine, too"],
      ["install", "put rbee on it, or bring it to this version"],
      ["preflight", "check whether it could serve: SSH, rbee, hive"],
      ["claim", "take it back from another queen that has claimed it"]
    ],
    examples: [
      [
        "rbee setup add-node --name workstation --ssh-host 192.168.1.20 --ssh-user me",
        "an alias of ~/.ssh/config is a host, too"
      ],
      ["rbee setup install --node workstation", "uploads this very package"],
      ["rbee setup list-nodes --json", "for scripts"]
    ]
  },
  workers: {
    title: "The workers of the pool: one process, one model, one device each",
    usage: "rbee workers <command> [options]",
    commands: [
      ["list", "show those that the queen knows of; starts nothing"],
      ["health", "ask a machine's hive and workers how they are"],
      ["spawn", "start one ahead of the first prompt"],
      ["shutdown", "stop one; what it is doing may finish"]
    ],
    examples: [
      ["rbee workers spawn --node workstation --backend cuda --device 0 --slots 4", "the model that rbee ships"],
      ["rbee workers list --node workstation --json", "for scripts"],
      ["rbee workers shutdown --id w-3f2a", "the id as list shows it"]
    ]
  },
  models: {
    title: "The models of a machine",
    usage: "rbee models <command> [options]",
    commands: [
      ["list", "show what its catalog has"],
      ["download", "fetch a model; an interrupted download resumes"],
      ["rm", "remove a model from the catalog and the disk"],
      ["info", "tell what a model is: layers, context, quantization"]
    ],
    examples: [
      ["rbee models download --model hf:TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF", "Q4_K_M, if it has one"],
      ["rbee models download --node workstation --model hf:org/repo:Q8_0", "another quantization, there"],
      ["rbee models list --node workstation", ""]
    ]
  },
  catalog: {
    title: "What this machine keeps on record: its models, and the pool's nodes",
    usage: "rbee catalog <command> [options]",
    commands: [
      ["backup", "copy the databases into ~/.rbee/backups, and verify the copies"],
      ["restore", "put a backup in its database's place; what is there is kept"],
      ["check", "tell whether all is whole and there (exit code 1 if not)"]
    ],
    examples: [
      ["rbee catalog backup", "at any time, also while queen and hive run"],
      ["rbee catalog check", "names what is wrong, what to do, and the newest backups"],
      ["rbee catalog restore ~/.rbee/backups/models-20261121T190000Z.db", ""]
    ]
  },
  queen: {
    title: "The orchestrator. Commands that find no queen start one for themselves",
    usage: "rbee queen <command> [options]",
    commands: [
      ["serve", "run it in the foreground"],
      ["start", "start it in the background, to stay"],
      ["stop", "stop it and everything it started"],
      ["status", "tell whether it runs (exit code 1 if not)"]
    ],
    examples: [
      ["rbee queen start", ""],
      ["rbee queen stop", "hives and workers go with it"]
    ]
  },
  hive: {
    title: "A machine's pool manager. Queens start it by themselves",
    usage: "rbee hive <command> [options]   (rbee-hive is rbee hive)",
    commands: [
      ["serve", "run it in the foreground (daemon is the same)"],
      ["daemon", "run it in the foreground"],
      ["start", "what a queen calls: prints a running hive's address"],
      ["stop", "stop this machine's hive and its workers"],
      ["detect", "show what this machine can compute on"],
      ["status", "tell whether it runs (exit code 1 if not)"],
      ["logs", "what a queen calls: log lines as JSON (see rbee logs)"]
    ],
    examples: [
      ["rbee hive detect", "backends and devices, as the registry keeps them"],
      ["rbee hive stop", ""]
    ]
  },
  worker: {
    title: "One loaded model, served over HTTP",
    usage: "rbee worker <command> [options]   (llm-worker-rbee is rbee worker serve)",
    commands: [["serve", "load a model and serve it (what the hive spawns)"]],
    examples: [["rbee worker serve --model ./model.gguf --port 8001", "alone, without a hive"]]
  }
}

/** The page that these arguments ask for, if it is one of ours; a single command's options are shown by its own help. */
export const pageFor = (args: ReadonlyArray<string>): HelpPage | undefined => {
  const [group = "", ...rest] = args.filter((arg) => arg !== "--help" && arg !== "-h")
  return rest.length === 0 && Object.hasOwn(pages, group) ? pages[group] : undefined
}

/** A page as text. */
export const renderPage = ({ title, usage, commands, examples }: HelpPage): string => {
  const width = Math.max(...commands.map(([name]) => name.length)) + 2
  return [
    title,
    "",
    `Usage: ${usage}`,
    "",
    "Commands:",
    ...commands.map(([name, summary]) => `  ${name.padEnd(width)}${summary}`),
    "",
    "Examples:",
    ...examples.map(([command, what]) => (what === "" ? `  ${command}` : `  ${command}\n      ${what}`)),
    "",
    "--help after any command shows its options. Everywhere: --version, --wizard,",
    "--completions bash|zsh|fish, --log-level debug.",
    ""
  ].join("\n")
}
