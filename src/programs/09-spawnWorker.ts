import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { isLoopback, localUrl } from "../domain/Address.js"
import { cudaComplaint } from "../domain/CudaLog.js"
import { ErrorEvent } from "../domain/errors/Envelope.js"
import { SpawnError } from "../domain/errors/Phases.js"
import { CudaDeviceFailed, OutOfMemory } from "../domain/errors/Resource.js"
import { ModelLoadTimeout, NoFreePort, WorkerStartFailed, WorkerStartTimeout } from "../domain/errors/Worker.js"
import { type NodeName, WorkerId } from "../domain/Ids.js"
import type { ModelEntry } from "../domain/Model.js"
import type { Placement } from "../domain/Placement.js"
import type { ProcessExit } from "../domain/Process.js"
import type { HostedWorker, ReadyReport, SpawnRequest, WorkerBinary, WorkerInfo } from "../domain/Worker.js"
import type { Cpu } from "../services/Cpu.js"
import { Memory } from "../services/Memory.js"
import { type Narrator, report, voiceOf } from "../services/Narrator.js"
import { type LaunchedProcess, Processes } from "../services/Processes.js"
import { ReadyCalls } from "../services/ReadyCalls.js"
import { Reservations } from "../services/Reservations.js"
import { Settings } from "../services/Settings.js"
import { Tokens } from "../services/Tokens.js"
import { WorkerClient } from "../services/WorkerClient.js"
import { WorkerFiles } from "../services/WorkerFiles.js"
import { confirmRoom } from "./08-resourcePreflight.js"
import { type Pinning, pinToCores } from "./pinToCores.js"

const say = voiceOf("rbee-hive")

/** Everything that decides what is spawned and where. */
export interface SpawnOrder {
  readonly node: NodeName
  readonly request: SpawnRequest
  readonly model: ModelEntry
  readonly binary: WorkerBinary
  readonly placement: Placement
  /** Where the worker calls when it is ready. */
  readonly callback_url: string
  /** What the hive listens on: one that is reached directly has workers that are. */
  readonly host: string
  /** The silent worker in whose place it is started. */
  readonly replaces: WorkerId | null
}

/** A worker that is being started: what its command line names. */
interface Starting {
  readonly order: SpawnOrder
  readonly id: WorkerId
  readonly key: Redacted.Redacted
  readonly port: number
  readonly log_path: string
  readonly pinning: Pinning
  /** How many processes the kernel had killed for want of memory before. */
  readonly oom_kills: number
}

type Needs =
  | Cpu
  | Processes
  | WorkerFiles
  | WorkerClient
  | ReadyCalls
  | Reservations
  | Memory
  | Tokens
  | Settings
  | Narrator

/**
 * Phase 9: a worker process that reported ready. One that ends before that, is too slow, or is no longer wanted leaves nothing
 * behind: no process, no key file.
 */
export const spawnWorker: (order: SpawnOrder) => Effect.Effect<HostedWorker, SpawnError, Needs> = Effect.fn(
  "rbee.phase.spawnWorker"
)(function* (order) {
  const tokens = yield* Tokens
  const files = yield* WorkerFiles
  const memory = yield* Memory
  const id = WorkerId.make(`w-${yield* tokens.id}`)
  const starting = {
    ...{ order, id, key: yield* tokens.secret, port: yield* findPort },
    ...{ log_path: files.logPath(id), oom_kills: yield* memory.oom_kills },
    pinning: yield* pinToCores(order.request, order.binary.command)
  }
  // Expected before it is started: a quick worker calls at once, and maybe only once.
  const called = yield* Effect.flatMap(ReadyCalls, (calls) => calls.expect(id, starting.key))
  return yield* Effect.acquireUseRelease(
    launch(starting),
    (process) => awaitReady(starting, process, called),
    (process, exit) => (Exit.isSuccess(exit) ? Effect.void : abandon(id, process))
  )
}, Effect.scoped)

/** The first free port of the range that no other worker is being started on; taken ones are narrated (EH-012b). */
const findPort = Effect.gen(function* () {
  const { port_start: first, port_end: last } = (yield* Settings).worker
  const { isPortFree } = yield* Processes
  const { takePort } = yield* Reservations
  return yield* takePort(
    Effect.fnUntraced(function* (promised) {
      for (let port = first; port <= last; port++) {
        if (!promised.has(port) && (yield* isPortFree(port))) return port
        yield* say("🚧", `Port ${port} in use, trying ${port + 1}…`)
      }
      return yield* new NoFreePort({ first, last })
    })
  )
})

const launch = Effect.fnUntraced(function* (starting: Starting) {
  const { order, id, key, port, log_path, pinning } = starting
  const files = yield* WorkerFiles
  const processes = yield* Processes
  const { device, device_uuid } = order.placement
  const { slots, ctx_size } = order.request
  const optional = (flag: string, value: number | null) => (value === null ? [] : [flag, `${value}`])
  yield* confirmRoom(order.placement)
  yield* say("👷", `Starting worker ${id} on ${device}, port ${port}`)
  const launched = yield* processes
    .launch({
      command: [
        ...pinning.command,
        ...["--worker-id", id, "--model", order.model.local_path],
        ...["--backend", device.backend, "--device", `${device.index}`, "--port", `${port}`, "--slots", `${slots}`],
        ...[...optional("--ctx-size", ctx_size), ...optional("--threads", pinning.threads)],
        ...(isLoopback(order.host) ? [] : ["--host", order.host]),
        ...["--callback-url", order.callback_url, "--api-key-file", yield* files.writeKey(id, key)]
      ],
      // With a larger pool the engine's threads spin against libuv's: 59 against 173 tokens/s in one stream.
      env: { UV_THREADPOOL_SIZE: "1", ...(device_uuid === null ? {} : pinnedTo(device_uuid)) },
      log_path
    })
    .pipe(
      Effect.catchAll(({ reason }) =>
        Effect.zipRight(
          files.remove(id),
          new WorkerStartFailed({ worker_id: id, exit_code: null, signal: null, log_lines: [reason], log_path })
        )
      )
    )
  // From here on a later hive finds it, should this one be killed while it loads.
  yield* files.record({
    worker: infoOf(starting, launched),
    identity: launched.identity,
    log_path,
    origin: originOf(order)
  })
  return launched
})

const originOf = ({ request, replaces }: SpawnOrder) => ({ request, replaces })

/** The worker as registries list it, while it loads. */
const infoOf = ({ order, id, port }: Starting, { identity }: LaunchedProcess): WorkerInfo => ({
  id,
  node: order.node,
  url: urlOf(order, port),
  model_ref: order.model.reference,
  backend: order.placement.device.backend,
  device: order.placement.device.index,
  state: "loading",
  pid: identity.pid,
  last_activity: 0,
  slots_total: order.request.slots,
  slots_available: 0,
  vram_bytes: 0
})

const urlOf = ({ host }: SpawnOrder, port: number) => localUrl(isLoopback(host) ? "127.0.0.1" : host, port)

/** The engine has no option for a device; the driver has. By UUID, since indices shift when a device fails. */
const pinnedTo = (uuid: string) => ({ CUDA_DEVICE_ORDER: "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: uuid })

/** Whichever comes first: the ready callback, the process's end, or a deadline. */
const awaitReady = Effect.fnUntraced(function* (
  starting: Starting,
  process: LaunchedProcess,
  called: Effect.Effect<ReadyReport>
) {
  const ended = Effect.flatMap(process.exit, (exit) => Effect.flatMap(explainExit(starting, exit), Effect.fail))
  const ready = yield* Effect.raceFirst(whenReady(starting, called), ended)
  return hosted(starting, process, ready, Math.floor((yield* Clock.currentTimeMillis) / 1000))
})

const whenReady = ({ order, id, key, port, log_path }: Starting, called: Effect.Effect<ReadyReport>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { worker_start, model_load } = (yield* Settings).timeouts
      const client = yield* WorkerClient
      const worker = { url: urlOf(order, port), api_key: key }
      const up = Effect.eventually(Effect.tapError(client.ping(worker), () => Effect.sleep("25 millis")))
      yield* Effect.timeoutFail(up, {
        duration: worker_start,
        onTimeout: () =>
          new WorkerStartTimeout({ worker_id: id, timeout_s: Duration.toSeconds(worker_start), log_path })
      })
      const layers = yield* Ref.make({ layers_loaded: 0, layers_total: 0 })
      const progress = Stream.runForEach(client.loading(worker), (event) =>
        Ref.set(layers, event).pipe(Effect.zipRight(report(event)))
      )
      // The progress is for show: where its stream breaks, the callback or the process's end still tell the truth.
      yield* Effect.forkScoped(Effect.ignoreLogged(progress))
      return yield* Effect.timeoutTo(Effect.asSome(called), {
        duration: model_load,
        onSuccess: (answer) => answer,
        onTimeout: () => Option.none<ReadyReport>()
      }).pipe(
        Effect.flatMap(
          Option.match({
            onSome: Effect.succeed,
            onNone: () =>
              Effect.flatMap(Ref.get(layers), ({ layers_loaded, layers_total }) =>
                Effect.fail(
                  new ModelLoadTimeout({
                    worker_id: id,
                    timeout_s: Duration.toSeconds(model_load),
                    layers_loaded,
                    layers_total,
                    log_path
                  })
                )
              )
          })
        )
      )
    })
  )

/** How much of its log is read for why it ended, and how much is shown: an engine that aborts prints its stack last. */
const log_lines_read = 200
const log_lines_shown = 20

/**
 * Why it ended: killed by the kernel for want of memory (EH-004b), else the error that the worker wrote as its last words, else what its
 * engine said of CUDA, VRAM that was refused included, else its exit with the last lines of its log. The kernel does not say whom it
 * killed; that ours was killed meanwhile is taken for it.
 */
const explainExit = Effect.fnUntraced(function* (starting: Starting, { code, signal }: ProcessExit) {
  const { id, log_path } = starting
  const { device } = starting.order.placement
  const { tail } = yield* Processes
  const { oom_kills } = yield* Memory
  if (signal === "SIGKILL" && (yield* oom_kills) > starting.oom_kills) return new OutOfMemory({ log_path })
  const log = yield* tail(log_path, log_lines_read)
  const words = Option.flatMap(Option.fromNullable(log.at(-1)), decodeLastWords)
  const complaint = device.backend === "cuda" ? cudaComplaint(log) : Option.none()
  return words.pipe(
    Option.map(({ error }) => error),
    Option.filter(isSpawnError),
    Option.orElse(() => Option.map(complaint, (reason) => new CudaDeviceFailed({ device: device.index, reason }))),
    Option.getOrElse(() => {
      const log_lines = log.slice(-log_lines_shown)
      return new WorkerStartFailed({ worker_id: id, exit_code: code, signal, log_lines, log_path })
    })
  )
})

const decodeLastWords = Schema.decodeUnknownOption(Schema.parseJson(ErrorEvent))
const isSpawnError = Schema.is(SpawnError)

const abandon = Effect.fnUntraced(function* (id: WorkerId, { identity }: LaunchedProcess) {
  const { stop } = yield* Processes
  const files = yield* WorkerFiles
  yield* stop(identity, Duration.seconds(2))
  yield* files.remove(id)
})

const hosted = (
  starting: Starting,
  launched: LaunchedProcess,
  { url, slots_total, vram_bytes }: ReadyReport,
  now_unix: number
): HostedWorker => ({
  worker: {
    ...infoOf(starting, launched),
    ...{ url, slots_total, vram_bytes },
    state: "idle",
    last_activity: now_unix,
    slots_available: slots_total
  },
  api_key: starting.key,
  identity: launched.identity,
  exit: launched.exit,
  log_path: starting.log_path,
  origin: originOf(starting.order)
})
