/** Configuration from the environment over a TOML file over the defaults (cli.md, "Configuration"). */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as ConfigErrors from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { parse } from "smol-toml"
import { DurationText } from "../domain/Time.js"
import { ListenPort, Port } from "../domain/Units.js"
import { type Configuration, Settings } from "../services/Settings.js"

const checked = <A, I>(schema: Schema.Schema<A, I>, from: Config.Config<I>) => {
  const decode = Schema.decodeEither(schema)
  return Config.mapOrFail(from, (value) =>
    Either.mapLeft(decode(value), (error) =>
      ConfigErrors.InvalidData([], ParseResult.ArrayFormatter.formatErrorSync(error)[0]?.message ?? "an invalid value")
    )
  )
}

/** Numbers are read as text and checked by us: a bad one must be an error, and not make way for the file's. */
const number = <A extends number>(name: string, schema: Schema.Schema<A, number>, expected: string, fallback: A) =>
  Config.withDefault(
    checked(
      Schema.compose(Schema.NumberFromString, schema).annotations({
        message: () => ({ message: expected, override: true })
      }),
      Config.string(name)
    ),
    fallback
  )
const port = (name: string, fallback: number) => number(name, Port, "a port between 1024 and 65535", fallback)
const listenPort = (name: string, fallback: number) =>
  number(name, ListenPort, "a port between 1024 and 65535, or 0 to let the system choose", fallback)
const duration = (name: string, fallback: Duration.DurationInput) =>
  Config.withDefault(checked(DurationText, Config.string(name)), Duration.decode(fallback))
const optional = (name: string) => Config.map(Config.option(Config.string(name)), Option.getOrNull)

const timeouts = Config.all({
  ssh_connect: duration("ssh_connect", "10 seconds"),
  ssh_command: duration("ssh_command", "30 seconds"),
  http_connect: duration("http_connect", "5 seconds"),
  http_total: duration("http_total", "10 seconds"),
  daemon_start: duration("daemon_start", "30 seconds"),
  worker_start: duration("worker_start", "30 seconds"),
  model_load: duration("model_load", "5 minutes"),
  inference_stall: duration("inference_stall", "60 seconds"),
  cancel: duration("cancel", "5 seconds"),
  drain: duration("drain", "30 seconds"),
  heartbeat: duration("heartbeat", "30 seconds"),
  lease: duration("lease", "2 minutes")
})

/** Everything under `RBEE_…`, or in the file's sections. */
const configuration = (user: Configuration["user"]) =>
  Config.all({
    home: Config.withDefault(Config.string("home"), Path.join(user.home, ".rbee")),
    queen: Config.all({
      host: Config.withDefault(Config.string("host"), "127.0.0.1"),
      port: listenPort("port", 8080),
      database: optional("database")
    }).pipe(Config.nested("queen")),
    hive: Config.all({
      host: Config.withDefault(Config.string("host"), "127.0.0.1"),
      port: listenPort("port", 9200)
    }).pipe(Config.nested("hive")),
    worker: Config.all({ port_start: port("port_start", 8001), port_end: port("port_end", 8999) }).pipe(
      Config.nested("worker")
    ),
    remote: Config.all({ binary_path: optional("binary_path") }).pipe(Config.nested("remote")),
    models: Config.all({ dir: optional("dir") }).pipe(Config.nested("models")),
    token: Config.option(Config.redacted("api_token")),
    timeouts: timeouts.pipe(Config.nested("timeouts"))
  }).pipe(
    Config.map(({ home: given, queen, models, worker, token, ...rest }): Configuration => {
      const home = Path.resolve(given)
      return {
        ...rest,
        home,
        queen: { ...queen, database: Path.resolve(queen.database ?? Path.join(home, "beehives.db")) },
        worker: { ...worker, port_end: Math.max(worker.port_end, worker.port_start) },
        models: { dir: Path.resolve(models.dir ?? Path.join(home, "models")) },
        auth: { token: Option.filter(token, (secret) => Redacted.value(secret) !== "") },
        user
      }
    })
  )

/** The first configuration file that is there. */
const findFile = (named: string | undefined, xdg: string): string | undefined =>
  named ?? [Path.join(xdg, "rbee", "config.toml"), "/etc/rbee/config.toml"].find((path) => Fs.existsSync(path))

const readFile = (path: string) =>
  Effect.try({
    try: () => ConfigProvider.fromJson(parse(Fs.readFileSync(path, "utf8"))),
    catch: (error) => ConfigErrors.InvalidData([path], error instanceof Error ? error.message : "unreadable")
  })

/**
 * The settings of this process. This is the one place that knows where configuration comes from; a file that does not parse
 * stops the program with its line.
 */
export const SettingsLive: Layer.Layer<Settings, ConfigError> = Layer.effect(
  Settings,
  Effect.gen(function* () {
    const user = yield* Config.all({
      home: Config.withDefault(Config.nonEmptyString("HOME"), Os.homedir()),
      ssh_agent: Config.map(Config.option(Config.nonEmptyString("SSH_AUTH_SOCK")), Option.getOrNull)
    })
    const named = yield* Config.option(Config.nonEmptyString("RBEE_CONFIG"))
    const xdg = yield* Config.withDefault(Config.nonEmptyString("XDG_CONFIG_HOME"), Path.join(user.home, ".config"))
    const path = findFile(Option.getOrUndefined(named), xdg)
    const environment = ConfigProvider.fromEnv({ pathDelim: "_" }).pipe(
      ConfigProvider.constantCase,
      ConfigProvider.nested("RBEE")
    )
    const file = path === undefined ? ConfigProvider.fromMap(new Map()) : yield* readFile(path)
    return yield* ConfigProvider.orElse(environment, () => file).load(configuration(user))
  })
)
