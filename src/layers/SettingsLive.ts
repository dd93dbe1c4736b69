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
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { parse } from "smol-toml"
import { ModelOffer, type ModelOffers } from "../domain/ModelOffer.js"
import { GitBranch, GitRepo } from "../domain/Node.js"
import { DurationText } from "../domain/Time.js"
import { ListenPort, Port } from "../domain/Units.js"
import { type Auth, type Configuration, Settings, type TokenFile } from "../services/Settings.js"
import { parseToken, readTokenFile, type TokenRefused } from "./apiToken.js"

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
const megabytesPerSecond = (name: string) =>
  Config.map(
    Config.option(
      checked(
        Schema.compose(Schema.NumberFromString, Schema.Finite.pipe(Schema.positive())).annotations({
          message: () => ({ message: "megabytes a second, more than 0", override: true })
        }),
        Config.string(name)
      )
    ),
    Option.getOrNull
  )
const optional = (name: string) => Config.map(Config.option(Config.string(name)), Option.getOrNull)

const timeouts = Config.all({
  ssh_connect: duration("ssh_connect", "10 seconds"),
  ssh_command: duration("ssh_command", "30 seconds"),
  http_connect: duration("http_connect", "5 seconds"),
  http_total: duration("http_total", "10 seconds"),
  daemon_start: duration("daemon_start", "30 seconds"),
  worker_start: duration("worker_start", "30 seconds"),
  model_load: duration("model_load", "5 minutes"),
  download_stall: duration("download_stall", "60 seconds"),
  inference_stall: duration("inference_stall", "60 seconds"),
  cancel: duration("cancel", "5 seconds"),
  queue: duration("queue", "1 minute"),
  drain: duration("drain", "30 seconds"),
  heartbeat: duration("heartbeat", "30 seconds"),
  health_check: duration("health_check", "30 seconds"),
  worker_idle: duration("worker_idle", "5 minutes"),
  lease: duration("lease", "2 minutes")
})

/** Everything under `RBEE_…`, or in the file's sections. */
const configuration = (
  user: Configuration["user"],
  auth: Auth,
  hub: Configuration["hub"]
): Config.Config<Omit<Configuration, "offers">> =>
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
    worker: Config.all({
      port_start: port("port_start", 8001),
      port_end: port("port_end", 8999),
      git_repo_url: Config.map(
        Config.option(checked(GitRepo, Config.nonEmptyString("git_repo_url"))),
        Option.getOrNull
      ),
      git_branch: Config.withDefault(checked(GitBranch, Config.nonEmptyString("git_branch")), "main")
    }).pipe(Config.nested("worker")),
    remote: Config.all({ binary_path: optional("binary_path") }).pipe(Config.nested("remote")),
    models: Config.all({ dir: optional("dir"), max_mbps: megabytesPerSecond("max_mbps") }).pipe(
      Config.nested("models")
    ),
    timeouts: timeouts.pipe(Config.nested("timeouts"))
  }).pipe(
    Config.map(
      ({ home: given, queen, models, worker: { git_repo_url: url, git_branch: branch, ...worker }, ...rest }) => {
        const home = Path.resolve(given)
        return {
          ...rest,
          home,
          queen: { ...queen, database: Path.resolve(queen.database ?? Path.join(home, "beehives.db")) },
          worker: { ...worker, port_end: Math.max(worker.port_end, worker.port_start) },
          worker_source: url === null ? null : { url, branch },
          models: { ...models, dir: Path.resolve(models.dir ?? Path.join(home, "models")) },
          hub,
          auth,
          user
        }
      }
    )
  )

/** The first configuration file that is there. */
const findFile = (named: string | undefined, xdg: string): string | undefined =>
  named ?? [Path.join(xdg, "rbee", "config.toml"), "/etc/rbee/config.toml"].find((path) => Fs.existsSync(path))

const readFile = (path: string) =>
  Effect.try({
    try: () => parse(Fs.readFileSync(path, "utf8")),
    catch: (error) => ConfigErrors.InvalidData([path], error instanceof Error ? error.message : "unreadable")
  })

/** The tables below `[models]`: a model each, under the name by which requests may ask for it. */
const offersOf = (written: object): Effect.Effect<ModelOffers, ConfigError> => {
  const models = "models" in written ? written.models : {}
  const tables = Object.entries(Predicate.isRecord(models) ? models : {}).filter(([, value]) =>
    Predicate.isRecord(value)
  )
  return Effect.map(
    Effect.forEach(tables, ([name, table]) =>
      Schema.decodeUnknown(ModelOffer)(table).pipe(
        Effect.mapError((error) => {
          const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
          const path = ["models", name, ...(issue?.path ?? []).map(String)]
          return ConfigErrors.InvalidData(path, issue?.message ?? "a model")
        }),
        Effect.map((offer) => [name, offer] as const)
      )
    ),
    (offers) => new Map(offers)
  )
}

type Provider = ConfigProvider.ConfigProvider

const noToken: Auth = { token: Option.none(), file: null }

/** A setting that says nothing where it is empty. */
const filled = (name: string) => Config.map(Config.option(Config.string(name)), Option.filter(Boolean))

const given = Config.all({
  api_token_file: filled("api_token_file"),
  auth_token_file: Config.nested(filled("token_file"), "auth"),
  api_token: filled("api_token"),
  auth_token: Config.nested(filled("token"), "auth")
})

/**
 * Where the token comes from, first found wins: `RBEE_API_TOKEN_FILE`, `RBEE_AUTH_TOKEN_FILE`, systemd's
 * `$CREDENTIALS_DIRECTORY/rbee-token`, `RBEE_API_TOKEN`, the file's `auth.token_file`. What is found must be sound: nothing else is
 * tried in its place.
 */
const findToken = (environment: Provider, file: Provider): Effect.Effect<Auth, ConfigError | TokenRefused> =>
  Effect.gen(function* () {
    const folder = yield* filled("CREDENTIALS_DIRECTORY")
    const credential = Option.filter(
      Option.map(folder, (path) => Path.join(path, "rbee-token")),
      (path) => Fs.existsSync(path)
    )
    const [named, written] = [yield* environment.load(given), yield* file.load(given)]
    if (Option.isSome(written.api_token) || Option.isSome(written.auth_token)) {
      const rule = "a token may not stand in the configuration file: name a file that holds it as auth.token_file"
      return yield* Effect.fail(ConfigErrors.InvalidData(["auth", "token"], rule))
    }
    const path = named.api_token_file.pipe(
      Option.orElse(() => named.auth_token_file),
      Option.orElse(() => credential),
      Option.orElse(() => (Option.isSome(named.api_token) ? Option.none() : written.auth_token_file)),
      Option.map((name) => Path.resolve(name))
    )
    if (Option.isSome(path)) {
      const sealed = Option.exists(folder, (guarded) => Path.dirname(path.value) === Path.resolve(guarded))
      const from: TokenFile = { path: path.value, sealed }
      return { token: Option.some(yield* readTokenFile(from)), file: from }
    }
    if (Option.isNone(named.api_token)) return noToken
    const make = "export RBEE_API_TOKEN=$(openssl rand -hex 32)"
    return { token: Option.some(yield* parseToken(named.api_token.value, "RBEE_API_TOKEN", make)), file: null }
  })

const HubEndpoint = Schema.String.pipe(
  Schema.filter((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol))
).annotations({ message: () => ({ message: "an address such as https://huggingface.co", override: true }) })

const HubToken = Schema.compose(Schema.Trim, Schema.String.pipe(Schema.pattern(/^[\x21-\x7e]+$/))).annotations({
  message: () => ({ message: "a token: one word of printable ASCII", override: true })
})

/** The model hub's own variables: who has them set for its tools need not set them again for us. */
const modelHub = (home: string) =>
  Config.all({
    endpoint: Config.withDefault(checked(HubEndpoint, Config.nonEmptyString("HF_ENDPOINT")), "https://huggingface.co"),
    token: Config.option(checked(HubToken, Config.nonEmptyString("HF_TOKEN"))),
    folder: Config.withDefault(Config.nonEmptyString("HF_HOME"), Path.join(home, ".cache", "huggingface"))
  }).pipe(
    Config.map(({ endpoint, token, folder }): Configuration["hub"] => ({
      endpoint: endpoint.endsWith("/") ? endpoint : `${endpoint}/`, // what is below it is resolved against it
      token: Option.map(token, Redacted.make),
      token_file: Path.join(folder, "token")
    }))
  )

const load = <E>(authFrom: (environment: Provider, file: Provider) => Effect.Effect<Auth, E>) =>
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
    const written = path === undefined ? {} : yield* readFile(path)
    const file = ConfigProvider.fromJson(written)
    const auth = yield* authFrom(environment, file)
    const hub = yield* modelHub(user.home)
    const settings = yield* ConfigProvider.orElse(environment, () => file).load(configuration(user, auth, hub))
    return { ...settings, offers: yield* offersOf(written) }
  })

/**
 * The settings of this process. This is the one place that knows where configuration comes from; a file that does not parse
 * stops the program with its line, and a token that breaks a rule with the rule.
 */
export const SettingsLive: Layer.Layer<Settings, ConfigError | TokenRefused> = Layer.effect(Settings, load(findToken))

/**
 * The same without the token, for parts of rbee that are given one of their own by whoever starts them: a token file that was broken since
 * then is not theirs to mind.
 */
export const SettingsKeyless: Layer.Layer<Settings, ConfigError> = Layer.effect(
  Settings,
  load(() => Effect.succeed(noToken))
)
