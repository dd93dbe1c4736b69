/** Settings for tests: the defaults of phases.md, below a home that is not there. */
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type Configuration, Settings, type Timeouts } from "../services/Settings.js"

/** What a test wants otherwise. */
export type SettingsOverrides = Partial<Omit<Configuration, "timeouts" | "models" | "hub">> & {
  readonly timeouts?: Partial<Timeouts>
  readonly models?: Partial<Configuration["models"]>
  readonly hub?: Partial<Configuration["hub"]>
}

const timeouts: Timeouts = {
  ssh_connect: Duration.seconds(10),
  ssh_command: Duration.seconds(30),
  http_connect: Duration.seconds(5),
  http_total: Duration.seconds(10),
  daemon_start: Duration.seconds(30),
  worker_start: Duration.seconds(30),
  model_load: Duration.minutes(5),
  download_stall: Duration.seconds(60),
  inference_stall: Duration.seconds(60),
  cancel: Duration.seconds(5),
  queue: Duration.minutes(1),
  drain: Duration.seconds(30),
  heartbeat: Duration.seconds(30),
  health_check: Duration.seconds(30),
  worker_idle: Duration.minutes(5),
  lease: Duration.minutes(2)
}

/** The settings in full. */
export const testSettings = ({
  timeouts: given,
  models,
  hub,
  ...overrides
}: SettingsOverrides = {}): Configuration => ({
  home: "/home/rbee",
  queen: { host: "127.0.0.1", port: 8080, database: "/home/rbee/beehives.db" },
  hive: { host: "127.0.0.1", port: 9200 },
  worker: { port_start: 8001, port_end: 8999 },
  worker_source: null,
  offers: new Map(),
  remote: { binary_path: null },
  auth: { token: Option.none(), file: null },
  user: { home: "/home/user", ssh_agent: null },
  ...overrides,
  models: { dir: "/home/rbee/models", max_mbps: null, ...models },
  hub: {
    endpoint: "https://hub.test/",
    token: Option.none(),
    token_file: "/home/user/.cache/huggingface/token",
    ...hub
  },
  timeouts: { ...timeouts, ...given }
})

/** The settings as a layer. */
export const layerSettingsTest = (overrides: SettingsOverrides = {}): Layer.Layer<Settings> =>
  Layer.succeed(Settings, testSettings(overrides))
