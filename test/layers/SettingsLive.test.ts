import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { SettingsKeyless, SettingsLive } from "../../src/layers/SettingsLive.js"
import { type Configuration, Settings } from "../../src/services/Settings.js"
import { testSettings } from "../../src/testing/SettingsTest.js"
import { tempDir } from "../support/tempDir.js"

/** This process's environment, with nothing of rbee but what is given. */
const withEnvironment = (given: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = { ...process.env }
      for (const name of Object.keys(process.env)) {
        if (/^(RBEE_|HF_|XDG_|HOME$|SSH_AUTH_SOCK$|CREDENTIALS_DIRECTORY$)/.test(name)) delete process.env[name]
      }
      Object.assign(process.env, given)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const name of Object.keys(process.env)) delete process.env[name]
        Object.assign(process.env, before)
      })
  )

/** The settings in a home of their own, with that environment and that file. */
const read = (environment: Readonly<Record<string, string>>, toml?: string) =>
  Effect.gen(function* () {
    const home = yield* tempDir
    if (toml !== undefined) {
      Fs.mkdirSync(Path.join(home, ".config", "rbee"), { recursive: true })
      Fs.writeFileSync(Path.join(home, ".config", "rbee", "config.toml"), toml)
    }
    yield* withEnvironment({ HOME: home, ...environment })
    const settings = yield* Effect.provide(Settings, SettingsLive)
    return { settings, home }
  }).pipe(Effect.scoped)

const settingsOf = (environment: Readonly<Record<string, string>>, toml?: string) =>
  Effect.map(read(environment, toml), ({ settings }) => settings)

const complaintOf = (
  environment: Readonly<Record<string, string>>,
  toml?: string
): Effect.Effect<string, Configuration> => Effect.map(Effect.flip(settingsOf(environment, toml)), String)

describe("SettingsLive", () => {
  it.live("the defaults of phases.md, below the user's home", () =>
    Effect.gen(function* () {
      const { settings, home } = yield* read({})
      const expected = testSettings({
        home: Path.join(home, ".rbee"),
        queen: { host: "127.0.0.1", port: 8080, database: Path.join(home, ".rbee", "beehives.db") },
        models: { dir: Path.join(home, ".rbee", "models") },
        hub: {
          endpoint: "https://huggingface.co/",
          token: Option.none(),
          token_file: Path.join(home, ".cache", "huggingface", "token")
        },
        user: { home, ssh_agent: null }
      })
      assert.deepStrictEqual(settings, expected)
    })
  )

  it.live("a file's sections", () =>
    Effect.gen(function* () {
      const { settings, home } = yield* read(
        {},
        `
        [queen]
        port = 8181
        database = "/data/nodes.db"
        [worker]
        port_start = 8100
        [remote]
        binary_path = "/opt/rbee/bin/rbee-hive"
        [models]
        dir = "/big/models"
        [timeouts]
        worker_start = "90s"
        cancel = "200ms"
        `
      )
      assert.deepStrictEqual(settings.queen, { host: "127.0.0.1", port: 8181, database: "/data/nodes.db" })
      assert.deepStrictEqual(settings.worker, { port_start: 8100, port_end: 8999 })
      assert.strictEqual(settings.remote.binary_path, "/opt/rbee/bin/rbee-hive")
      assert.strictEqual(settings.models.dir, "/big/models")
      assert.strictEqual(Duration.toMillis(settings.timeouts.worker_start), 90_000)
      assert.strictEqual(Duration.toMillis(settings.timeouts.cancel), 200)
      assert.strictEqual(Duration.toMillis(settings.timeouts.drain), 30_000)
      assert.strictEqual(settings.home, Path.join(home, ".rbee"))
    })
  )

  it.live("the environment over the file (CLI-3)", () =>
    Effect.gen(function* () {
      const settings = yield* settingsOf(
        {
          RBEE_QUEEN_PORT: "8282",
          RBEE_TIMEOUTS_MODEL_LOAD: "1h",
          RBEE_WORKER_PORT_START: "8500",
          RBEE_HOME: "/srv/r"
        },
        '[queen]\nport = 8181\nhost = "10.0.0.5"\n[timeouts]\nmodel_load = "1m"'
      )
      assert.deepStrictEqual(settings.queen, { host: "10.0.0.5", port: 8282, database: "/srv/r/beehives.db" })
      assert.strictEqual(Duration.toMillis(settings.timeouts.model_load), 3_600_000)
      assert.strictEqual(settings.worker.port_start, 8500)
      assert.strictEqual(settings.models.dir, "/srv/r/models")
    })
  )

  it.live("what workers are built from: nothing, unless a repository is named (WP-5)", () =>
    Effect.gen(function* () {
      const sourceOf = (env: Readonly<Record<string, string>>, toml?: string) =>
        Effect.map(settingsOf(env, toml), ({ worker_source }) => worker_source)
      const url = "https://example.org/workers.git"
      assert.isNull(yield* sourceOf({}))
      assert.isNull(yield* sourceOf({ RBEE_WORKER_GIT_BRANCH: "next" }))
      assert.deepStrictEqual(yield* sourceOf({ RBEE_WORKER_GIT_REPO_URL: url }), { url, branch: "main" })
      assert.deepStrictEqual(
        yield* sourceOf({ RBEE_WORKER_GIT_BRANCH: "next" }, `[worker]\ngit_repo_url = "${url}"\ngit_branch = "old"`),
        { url, branch: "next" }
      )
      assert.include(yield* complaintOf({ RBEE_WORKER_GIT_REPO_URL: "ext::sh -c id" }), "a git URL")
    })
  )

  it.live("a file that is named is taken instead of the usual one", () =>
    Effect.gen(function* () {
      const folder = yield* tempDir
      Fs.writeFileSync(Path.join(folder, "mine.toml"), "[hive]\nport = 9999")
      const settings = yield* settingsOf({ RBEE_CONFIG: Path.join(folder, "mine.toml") }, "[hive]\nport = 9998")
      assert.strictEqual(settings.hive.port, 9999)
    }).pipe(Effect.scoped)
  )

  it.live("a token is kept out of sight; an empty one is none", () =>
    Effect.gen(function* () {
      const { auth } = yield* settingsOf({ RBEE_API_TOKEN: "s3cret" })
      assert.deepStrictEqual(Option.getOrNull(Option.map(auth.token, Redacted.value)), "s3cret")
      assert.notInclude(JSON.stringify(auth), "s3cret")
      assert.isTrue(Option.isNone((yield* settingsOf({ RBEE_API_TOKEN: "" })).auth.token))
    })
  )

  describe("the token's sources, first found wins", () => {
    /** A folder with a token file for each source, named after it. */
    const sources = Effect.map(tempDir, (dir) => {
      const write = (name: string, text = `from-${name}`, mode = 0o600) => {
        const path = Path.join(dir, name)
        Fs.writeFileSync(path, `${text}\n`)
        Fs.chmodSync(path, mode)
        return path
      }
      return { dir, write }
    })
    const tokenOf = (environment: Readonly<Record<string, string>>, toml?: string) =>
      Effect.map(settingsOf(environment, toml), ({ auth }) => Option.getOrNull(Option.map(auth.token, Redacted.value)))

    it.live("RBEE_API_TOKEN_FILE, RBEE_AUTH_TOKEN_FILE, systemd's, RBEE_API_TOKEN, the file's", () =>
      Effect.gen(function* () {
        const { dir, write } = yield* sources
        const toml = `[auth]\ntoken_file = ${JSON.stringify(write("toml"))}`
        write("rbee-token", "from-systemd", 0o440)
        const all = [
          ["RBEE_API_TOKEN_FILE", write("api"), "from-api"],
          ["RBEE_AUTH_TOKEN_FILE", write("auth"), "from-auth"],
          ["CREDENTIALS_DIRECTORY", dir, "from-systemd"],
          ["RBEE_API_TOKEN", "from-environment", "from-environment"]
        ] as const
        for (const first of all.keys()) {
          const environment = Object.fromEntries(all.slice(first).map(([name, value]) => [name, value]))
          assert.strictEqual(yield* tokenOf(environment, toml), all[first]?.[2] ?? "")
        }
        assert.strictEqual(yield* tokenOf({}, toml), "from-toml")
        assert.isNull(yield* tokenOf({}))
      }).pipe(Effect.scoped)
    )

    it.live("the file is remembered, so that it can be read again", () =>
      Effect.gen(function* () {
        const { dir, write } = yield* sources
        const path = write("api")
        const { auth } = yield* settingsOf({ RBEE_API_TOKEN_FILE: path })
        assert.deepStrictEqual(auth.file, { path, sealed: false })
        const named = yield* settingsOf({ RBEE_API_TOKEN_FILE: path, CREDENTIALS_DIRECTORY: dir })
        assert.deepStrictEqual(named.auth.file, { path, sealed: true })
        assert.isNull((yield* settingsOf({ RBEE_API_TOKEN: "x" })).auth.file)
      }).pipe(Effect.scoped)
    )

    it.live("what is empty names nothing; a folder of other credentials neither", () =>
      Effect.gen(function* () {
        const environment = { RBEE_API_TOKEN_FILE: "", RBEE_API_TOKEN: "", CREDENTIALS_DIRECTORY: yield* tempDir }
        assert.isNull(yield* tokenOf(environment))
      }).pipe(Effect.scoped)
    )

    it.live("one that breaks a rule stops the program; nothing else is tried in its place", () =>
      Effect.gen(function* () {
        const { write } = yield* sources
        const path = write("open", "c4n4ry", 0o644)
        const complaint = yield* complaintOf({ RBEE_API_TOKEN_FILE: path, RBEE_API_TOKEN: "sound" })
        assert.include(complaint, `chmod 600 ${path}`)
        assert.notInclude(complaint, "c4n4ry")
        assert.include(yield* complaintOf({}, '[auth]\ntoken_file = "/no/such/token"'), "/no/such/token does not exist")
        assert.match(yield* complaintOf({ RBEE_API_TOKEN: "two\nlines" }), /RBEE_API_TOKEN holds more than one line/)
      }).pipe(Effect.scoped)
    )

    for (const toml of ['api_token = "c4n4ry"', '[auth]\ntoken = "c4n4ry"']) {
      it.live(`a secret in the configuration file is refused: ${toml.replace("\n", " ")}`, () =>
        Effect.gen(function* () {
          const complaint = yield* complaintOf({}, toml)
          assert.match(complaint, /auth\.token_file/)
          assert.notInclude(complaint, "c4n4ry")
        })
      )
    }

    it.live("a part that has a token of its own does not look at any of them", () =>
      Effect.gen(function* () {
        yield* withEnvironment({ HOME: yield* tempDir, RBEE_API_TOKEN_FILE: "/no/such/token", RBEE_API_TOKEN: "x" })
        const { auth } = yield* Effect.provide(Settings, SettingsKeyless)
        assert.deepStrictEqual(auth, { token: Option.none(), file: null })
      }).pipe(Effect.scoped)
    )
  })

  describe("the model hub is configured as its own tools are", () => {
    const hubOf = (environment: Readonly<Record<string, string>>, toml?: string) =>
      Effect.map(settingsOf(environment, toml), ({ hub }) => hub)

    for (const [given, endpoint] of [
      ["https://hub.example", "https://hub.example/"],
      ["https://hub.example/", "https://hub.example/"],
      ["http://127.0.0.1:4000/mirror", "http://127.0.0.1:4000/mirror/"],
      ["", "https://huggingface.co/"]
    ] as const) {
      it.live(`HF_ENDPOINT=${given} is ${endpoint}: what is below it is resolved against it`, () =>
        Effect.gen(function* () {
          const hub = yield* hubOf({ HF_ENDPOINT: given })
          assert.strictEqual(hub.endpoint, endpoint)
          assert.strictEqual(new URL("api/models/org/repo", hub.endpoint).href, `${endpoint}api/models/org/repo`)
        })
      )
    }

    it.live("HF_TOKEN is kept out of sight, and without the line's end that a file or a paste leaves", () =>
      Effect.gen(function* () {
        for (const given of ["hf_s3cret", " hf_s3cret\n", "hf_s3cret\r\n"]) {
          const hub = yield* hubOf({ HF_TOKEN: given })
          assert.deepStrictEqual(Option.getOrNull(Option.map(hub.token, Redacted.value)), "hf_s3cret")
          assert.notInclude(JSON.stringify(hub), "s3cret")
          assert.notInclude(String(hub.token), "s3cret")
        }
        assert.isTrue(Option.isNone((yield* hubOf({ HF_TOKEN: "" })).token))
      })
    )

    for (const [what, token] of [
      ["two words", "hf_c4n4ry two"],
      ["two lines, which would be two headers", "hf_c4n4ry\r\nx-evil: 1"],
      ["a control character", "hf_c4n4ry\u0007"],
      ["letters that a header does not take", "hf_c4n4ry\u00e9"],
      ["nothing but blanks", "  "]
    ] as const) {
      it.live(`HF_TOKEN with ${what} is refused by its name, and not shown`, () =>
        Effect.gen(function* () {
          const complaint = yield* complaintOf({ HF_TOKEN: token })
          assert.match(complaint, /HF_TOKEN/)
          assert.match(complaint, /one word of printable ASCII/)
          assert.notInclude(complaint, "c4n4ry")
        })
      )
    }

    it.live("HF_HOME is where a login leaves its token", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* hubOf({ HF_HOME: "/data/hf" })).token_file, "/data/hf/token")
        const { settings, home } = yield* read({ HF_HOME: "" })
        assert.strictEqual(settings.hub.token_file, Path.join(home, ".cache", "huggingface", "token"))
      })
    )

    it.live("rbee's file has no say in it", () =>
      Effect.gen(function* () {
        const toml = '[hub]\nendpoint = "http://evil"\ntoken = "x"\n[hf]\nendpoint = "http://evil"'
        const hub = yield* hubOf({ RBEE_HUB_ENDPOINT: "http://evil", RBEE_HF_ENDPOINT: "http://evil" }, toml)
        assert.strictEqual(hub.endpoint, "https://huggingface.co/")
        assert.isTrue(Option.isNone(hub.token))
      })
    )
  })

  it.live("downloads may be slowed down, by the file or the environment; without a word they are not", () =>
    Effect.gen(function* () {
      const limit = (environment: Readonly<Record<string, string>>, toml?: string) =>
        Effect.map(settingsOf(environment, toml), ({ models }) => models.max_mbps)
      assert.isNull(yield* limit({}))
      assert.strictEqual(yield* limit({}, "[models]\nmax_mbps = 50"), 50)
      assert.strictEqual(yield* limit({}, "[models]\nmax_mbps = 0.5"), 0.5)
      assert.strictEqual(yield* limit({ RBEE_MODELS_MAX_MBPS: "2.5" }, "[models]\nmax_mbps = 50"), 2.5)
    })
  )

  it.live("port 0 lets the system choose; a range of workers' ports is never upside down", () =>
    Effect.gen(function* () {
      const settings = yield* settingsOf({ RBEE_HIVE_PORT: "0", RBEE_WORKER_PORT_START: "9500" })
      assert.strictEqual(settings.hive.port, 0)
      assert.deepStrictEqual(settings.worker, { port_start: 9500, port_end: 9500 })
    })
  )

  it.live("paths are absolute, also where they were given otherwise", () =>
    Effect.gen(function* () {
      const settings = yield* settingsOf({ RBEE_HOME: "r", RBEE_MODELS_DIR: "m", RBEE_QUEEN_DATABASE: "n.db" })
      assert.deepStrictEqual(
        [settings.home, settings.models.dir, settings.queen.database],
        ["r", "m", "n.db"].map((path) => Path.resolve(path))
      )
    })
  )

  describe("what cannot be is refused, by its name", () => {
    for (const [environment, toml, key, expected] of [
      [{ RBEE_QUEEN_PORT: "80" }, undefined, /QUEEN.*PORT/i, /between 1024 and 65535/],
      [{ RBEE_QUEEN_PORT: "eighty" }, undefined, /QUEEN.*PORT/i, /between 1024 and 65535/i],
      [{ RBEE_WORKER_PORT_END: "70000" }, undefined, /WORKER.*PORT_END/i, /between 1024 and 65535/],
      [{ RBEE_TIMEOUTS_CANCEL: "soon" }, undefined, /TIMEOUTS.*CANCEL/i, /200ms, 60s, 5m or 2h/],
      [{ HF_ENDPOINT: "huggingface.co" }, undefined, /HF_ENDPOINT/, /such as https:\/\/huggingface\.co/],
      [{ HF_ENDPOINT: "file:///etc/passwd" }, undefined, /HF_ENDPOINT/, /such as https:\/\/huggingface\.co/],
      [{ RBEE_MODELS_MAX_MBPS: "0" }, undefined, /MODELS.*MAX_MBPS/i, /megabytes a second, more than 0/],
      [{ RBEE_MODELS_MAX_MBPS: "-5" }, undefined, /MODELS.*MAX_MBPS/i, /megabytes a second, more than 0/],
      [
        { RBEE_MODELS_MAX_MBPS: "fast" },
        "[models]\nmax_mbps = 5",
        /MODELS.*MAX_MBPS/i,
        /megabytes a second, more than 0/
      ],
      [{}, "[models]\nmax_mbps = 0", /models.*max_mbps/i, /megabytes a second, more than 0/],
      [{}, "[models]\nmax_mbps = inf", /models.*max_mbps/i, /megabytes a second, more than 0/],
      [{}, "[hive]\nport = 1", /hive.*port/i, /between 1024 and 65535/],
      [{}, '[timeouts]\ndrain = "30 parsecs"', /timeouts.*drain/i, /200ms, 60s, 5m or 2h/]
    ] as const) {
      it.live(`${JSON.stringify(environment)} ${toml ?? ""}`, () =>
        Effect.gen(function* () {
          const complaint = yield* complaintOf(environment, toml)
          assert.match(complaint, key)
          assert.match(complaint, expected)
        })
      )
    }

    it.live("a file that is no TOML, with its line", () =>
      Effect.gen(function* () {
        const complaint = yield* complaintOf({}, '[queen]\nport = 8181\nhost = "unclosed\n')
        assert.include(complaint, "config.toml")
        assert.match(complaint, /3:/)
      })
    )

    it.live("a file that was named and is not there", () =>
      Effect.gen(function* () {
        assert.include(yield* complaintOf({ RBEE_CONFIG: "/no/such.toml" }), "/no/such.toml")
      })
    )

    it.live("an environment that cannot be, though the file's could", () =>
      Effect.gen(function* () {
        assert.match(yield* complaintOf({ RBEE_QUEEN_PORT: "eighty" }, "[queen]\nport = 8181"), /QUEEN.*PORT/i)
      })
    )
  })
})
