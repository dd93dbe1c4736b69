/** `rbee install`: where the parts of an installation on this machine go (cli.md). */
import * as Schema from "effect/Schema"

/** For one user, or for everybody on the machine. */
export const InstallScope = Schema.Literal("user", "system").annotations({ identifier: "InstallScope" })
export type InstallScope = typeof InstallScope.Type

/** What an installation has to know of the machine and of whoever installs. Paths are absolute. */
export interface Surroundings {
  readonly home: string
  /** `$XDG_CONFIG_HOME` and `$XDG_DATA_HOME`, or their defaults. */
  readonly config_home: string
  readonly data_home: string
  /** The folders of PATH. */
  readonly search_path: ReadonlyArray<string>
  /** The Node that runs us, and the program of ours that it runs. */
  readonly node: string
  readonly program: string
  /** Whether the parts for NVIDIA's GPUs are taken along: where their driver is, or where somebody wants them. */
  readonly nvidia: boolean
  /** Those of the variables that say where state and configuration are which are set. */
  readonly variables: Readonly<Record<string, string>>
}

/** The variables that make two runs of rbee one pool's or two: a service must have the same as whoever runs rbee by hand. */
export const decisiveVariables = ["RBEE_HOME", "RBEE_CONFIG", "XDG_CONFIG_HOME"] as const

/** The programs, by the names that they are called by. */
export const programNames = ["rbee", "rbee-keeper", "queen-rbee", "rbee-hive", "llm-worker-rbee"] as const

/** Where the parts go. */
export interface Places {
  /** The package: a folder that is replaced as a whole. */
  readonly app: string
  /** The links to its programs. */
  readonly bin: string
  readonly config: string
  /** The unit files, beside the package: systemd is told of them by `systemctl enable PATH`. */
  readonly units: string
}

/** The configuration that counts where a user has none. */
export const system_config = "/etc/rbee/config.toml"

/** What the services of everybody run as, and where they keep their state. */
export const system_account = "rbee"
export const system_home = "/var/lib/rbee"

/** The token that systemd hands to those services, once somebody wrote one. */
export const system_token = "/etc/rbee/token"

/** The places of an installation. */
export const placesOf = (scope: InstallScope, { home, config_home, data_home }: Surroundings): Places =>
  scope === "system"
    ? {
        app: "/usr/local/lib/rbee/app",
        bin: "/usr/local/bin",
        config: system_config,
        units: "/usr/local/lib/rbee/systemd"
      }
    : {
        app: `${data_home}/rbee/app`,
        bin: `${home}/.local/bin`,
        config: `${config_home}/rbee/config.toml`,
        units: `${data_home}/rbee/systemd`
      }

/** A program's file in the package, under the name that it is called by. */
export const programIn = (app: string, name: string): string => `${app}/dist/bin/${name}.js`

/** The example with every setting commented out, so that a file of it changes nothing: not now, nor when a default changes. */
export const commentedOut = (example: string): string => example.replaceAll(/^(?=\w+ *=)/gm, "# ")

/** A word of a shell's command line: bare where that is the same. */
export const shellWord = (text: string): string =>
  /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`

/** A unit file: its name, its place and what it holds. */
export const Unit = Schema.Struct({ name: Schema.String, path: Schema.String, text: Schema.String })
export type Unit = typeof Unit.Type

/** What an installation came to; `rbee install --json` prints it. */
export const LocalInstallation = Schema.Struct({
  scope: InstallScope,
  version: Schema.String,
  /** False where the very same package was there already. */
  changed: Schema.Boolean,
  app: Schema.String,
  links: Schema.Array(Schema.String),
  /** The configuration file that counts, and whether it was written now. */
  config: Schema.Struct({ path: Schema.String, written: Schema.Boolean }),
  units: Schema.Array(Unit),
  /** The commands that make services of the units, in order. */
  commands: Schema.Array(Schema.String)
}).annotations({ identifier: "LocalInstallation" })
export type LocalInstallation = typeof LocalInstallation.Type
