/** systemd's unit files for queen and hive, and the commands that make services of them. */
import * as Duration from "effect/Duration"
import {
  type InstallScope,
  type Places,
  programIn,
  type Surroundings,
  shellWord,
  system_account,
  system_home,
  system_token,
  type Unit
} from "./LocalInstall.js"

/** What the units depend on. */
export interface UnitOptions {
  readonly scope: InstallScope
  readonly places: Places
  readonly surroundings: Surroundings
  /** How long running requests may take at the end. */
  readonly drain: Duration.Duration
  /** Whether the token of everybody's services has been written. */
  readonly has_token: boolean
}

/** A word of a unit file: in quotes, `%` being a specifier's sign. */
const word = (text: string): string => `"${text.replaceAll(/["\\]/g, "\\$&").replaceAll("%", "%%")}"`

/** A word of a command line there, in which `$` is a variable's sign. */
const argument = (text: string): string => word(text).replaceAll("$", "$$$$")

const roles = {
  queen: "rbee queen: the orchestrator of an LLM inference pool",
  hive: "rbee hive: this machine's pool manager"
} as const
type Role = keyof typeof roles

/** Both, each as its own file. */
export const unitsOf = (options: UnitOptions): ReadonlyArray<Unit> =>
  (["queen", "hive"] as const).map((role) => {
    const name = `rbee-${role}.service`
    return { name, path: `${options.places.units}/${name}`, text: unitText(role, options) }
  })

const unitText = (role: Role, { scope, places, surroundings, drain, has_token }: UnitOptions): string => {
  const systemctl = scope === "system" ? "systemctl" : "systemctl --user"
  const others = role === "queen" ? ["rbee-hive.service"] : []
  // What loads the driver's modules, which a service without new privileges cannot have loaded.
  const order = scope === "system" ? [...others, "network-online.target", "nvidia-persistenced.service"] : others
  const command = [surroundings.node, programIn(places.app, "rbee")].map(argument).join(" ")
  return [
    `# Written by rbee install, and written anew by the next one: change it with ${systemctl} edit rbee-${role}.`,
    "[Unit]",
    `Description=${roles[role]}`,
    ...(scope === "system" ? ["Wants=network-online.target"] : []),
    ...(order.length === 0 ? [] : [`After=${order.join(" ")}`]),
    "# What fails at every start, such as a broken configuration, is given up after five.",
    "StartLimitIntervalSec=5min",
    "StartLimitBurst=5",
    "",
    "[Service]",
    "Type=exec",
    `ExecStart=${command} ${role} serve`,
    ...(scope === "system" ? systemAccount(has_token) : userAccount(surroundings)),
    "Restart=on-failure",
    "RestartSec=5s",
    ...ending(drain),
    "UMask=0077",
    "NoNewPrivileges=yes",
    ...(scope === "system" ? hardening : []),
    "",
    "[Install]",
    `WantedBy=${scope === "system" ? "multi-user.target" : "default.target"}`,
    ""
  ].join("\n")
}

/** Draining takes its time, stopping the workers as much again at most; what then still runs has not heard us. */
const ending = (drain: Duration.Duration): ReadonlyArray<string> => [
  "# SIGTERM drains: running requests may finish, then what this service started is stopped.",
  `TimeoutStopSec=${Math.ceil(Duration.toSeconds(drain)) * 2 + 30}s`,
  "# Only the daemon itself is signalled, since it stops its workers itself. After a crash they go on serving, and the",
  "# hive that is started next takes them over: any other KillMode= would end their answers in the middle.",
  "KillMode=process",
  "# A worker that the kernel ends for want of memory is its hive's to tell of, and no reason to stop the others.",
  "OOMPolicy=continue"
]

/** The same state and configuration as for whoever runs rbee by hand: what the shell has set, or else the defaults. */
const userAccount = ({ variables }: Surroundings): ReadonlyArray<string> => [
  ...Object.entries(variables).map(([name, value]) => `Environment=${word(`${name}=${value}`)}`),
  "# SIGHUP has the token file of the configuration read again.",
  "ExecReload=/bin/kill -HUP $MAINPID"
]

/** An account of its own: the queen's SSH keys need an owner that stays, which DynamicUser= has not. */
const systemAccount = (has_token: boolean): ReadonlyArray<string> => [
  `User=${system_account}`,
  `Environment=RBEE_HOME=${system_home}`,
  `StateDirectory=${system_home.slice("/var/lib/".length)}`,
  "StateDirectoryMode=0700",
  `# The API token, which its users need as well. To make one, as root: (umask 077; openssl rand -hex 32 > ${system_token})`,
  `${has_token ? "" : "# "}LoadCredential=rbee-token:${system_token}`
]

const hardening: ReadonlyArray<string> = [
  "# Everything but the state is read-only. A models.dir elsewhere needs a ReadWritePaths=.",
  "ProtectSystem=strict",
  "# Models may be files in somebody's home.",
  "ProtectHome=read-only",
  "PrivateTmp=yes",
  "ProtectKernelTunables=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelLogs=yes",
  "ProtectControlGroups=yes",
  "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "LockPersonality=yes",
  "# Left out with reason: PrivateDevices=, DevicePolicy= and ProtectClock= hide the GPUs; MemoryDenyWriteExecute= stops Node."
]

/** What is typed to run both as services, in order. */
export const serviceCommands = (
  scope: InstallScope,
  units: ReadonlyArray<Unit>,
  { replaced }: { readonly replaced: boolean }
): ReadonlyArray<string> => {
  const [sudo, systemctl] = scope === "system" ? ["sudo ", "sudo systemctl"] : ["", "systemctl --user"]
  const account = `${sudo}useradd --system --user-group --home-dir ${system_home} --shell /bin/sh ${system_account}`
  return [
    ...(scope === "user" || replaced
      ? []
      : [
          account,
          `${sudo}install -d -m 700 -o ${system_account} -g ${system_account} ${system_home}`,
          // What is run as that account by hand, or through SSH, then has the services' state: its ~/.rbee is its home.
          `${sudo}ln -sfn . ${system_home}/.rbee`
        ]),
    `${systemctl} enable --now ${units.map(({ path }) => shellWord(path)).join(" ")}`,
    ...(replaced
      ? [`${systemctl} daemon-reload`, `${systemctl} try-restart ${units.map(({ name }) => name).join(" ")}`]
      : [])
  ]
}
