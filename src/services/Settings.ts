/** The configuration, read once (cli.md, "Configuration"). */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { ModelOffers } from "../domain/ModelOffer.js"
import type { BuildSource } from "../domain/WorkerBinary.js"

/** Times and retries of phases.md, all configurable. */
export interface Timeouts {
  readonly ssh_connect: Duration.Duration
  readonly ssh_command: Duration.Duration
  readonly http_connect: Duration.Duration
  readonly http_total: Duration.Duration
  readonly daemon_start: Duration.Duration
  readonly worker_start: Duration.Duration
  readonly model_load: Duration.Duration
  readonly download_stall: Duration.Duration
  readonly inference_stall: Duration.Duration
  readonly cancel: Duration.Duration
  /** How long a request of OpenAI's API waits for its turn. */
  readonly queue: Duration.Duration
  readonly drain: Duration.Duration
  readonly heartbeat: Duration.Duration
  readonly health_check: Duration.Duration
  readonly worker_idle: Duration.Duration
  readonly lease: Duration.Duration
}

/** A file that holds a token. systemd guards the folder of its credentials itself: in a `sealed` file the group's bits do not count. */
export interface TokenFile {
  readonly path: string
  readonly sealed: boolean
}

/** The token that the configuration gives, and the file that it was read from, if it was one. */
export interface Auth {
  readonly token: Option.Option<Redacted.Redacted>
  readonly file: TokenFile | null
}

/** Every setting as a plain value, environment and file already merged. Paths are absolute. */
export interface Configuration {
  /** `RBEE_HOME`: holds all state. */
  readonly home: string
  readonly queen: { readonly host: string; readonly port: number; readonly database: string }
  readonly hive: { readonly host: string; readonly port: number }
  readonly worker: { readonly port_start: number; readonly port_end: number }
  /** What worker types are built from that are asked for and not there: `git_repo_url` and `git_branch` of `[worker]`. */
  readonly worker_source: BuildSource | null
  readonly remote: { readonly binary_path: string | null }
  /** Where models are kept, and how fast they may be fetched: megabytes (10^6) a second. */
  readonly models: { readonly dir: string; readonly max_mbps: number | null }
  /** Models that the queen may start when a request of OpenAI's API names them. */
  readonly offers: ModelOffers
  /** The model hub, as its own tools are configured: HF_ENDPOINT, HF_TOKEN, or the file that a login leaves. */
  readonly hub: {
    readonly endpoint: string
    readonly token: Option.Option<Redacted.Redacted>
    readonly token_file: string
  }
  readonly timeouts: Timeouts
  /** The key of the queen at the configured address, or of a daemon that was given none of its own. */
  readonly auth: Auth
  /** The user's own environment, as far as phases need it. */
  readonly user: { readonly home: string; readonly ssh_agent: string | null }
}

/** The settings of this process. */
export class Settings extends Context.Tag("rbee/Settings")<Settings, Configuration>() {}
