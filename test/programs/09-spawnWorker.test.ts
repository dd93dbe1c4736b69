import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { Device } from "../../src/domain/Device.js"
import { ErrorEvent } from "../../src/domain/errors/Envelope.js"
import type { RbeeError } from "../../src/domain/errors/index.js"
import { RouteNotFound } from "../../src/domain/errors/Request.js"
import { CudaDeviceFailed, CudaUnavailable, InsufficientRam, OutOfMemory } from "../../src/domain/errors/Resource.js"
import { ModelLoadTimeout, NoFreePort, WorkerStartFailed, WorkerStartTimeout } from "../../src/domain/errors/Worker.js"
import { WorkerId } from "../../src/domain/Ids.js"
import { LoadingProgress } from "../../src/domain/Narration.js"
import type { ProcessExit } from "../../src/domain/Process.js"
import { type SpawnOrder, spawnWorker } from "../../src/programs/09-spawnWorker.js"
import { Processes } from "../../src/services/Processes.js"
import { ReadyCalls } from "../../src/services/ReadyCalls.js"
import { MemoryTest } from "../../src/testing/MemoryTest.js"
import { NarratorTest } from "../../src/testing/NarratorTest.js"
import { type Print, ProcessesTest, type ProcessesTestOptions } from "../../src/testing/ProcessesTest.js"
import { testSettings } from "../../src/testing/SettingsTest.js"
import { WorkerClientTest } from "../../src/testing/WorkerClientTest.js"
import { builtInWorker, WorkerFilesTest } from "../../src/testing/WorkerFilesTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { modelEntry, spawnRequest, workstation } from "../support/samples.js"

const id = WorkerId.make("w-id1")
const log_path = "/home/rbee/logs/worker-w-id1.log"
const callback_url = "http://127.0.0.1:9200/v1/workers/ready"

const needs = { ram_mb: 120, vram_mb: 0 }

const order = (given: Partial<SpawnOrder> = {}): SpawnOrder => ({
  node: workstation,
  request: spawnRequest(),
  model: modelEntry(),
  binary: builtInWorker,
  placement: {
    device: new Device({ backend: "cpu", index: 0 }),
    device_uuid: null,
    needs
  },
  callback_url,
  host: "127.0.0.1",
  replaces: null,
  ...given
})

/** A worker that prints, and ends with that exit after a second. */
const dying =
  (exit: { readonly code: number | null; readonly signal: string | null }, ...words: ReadonlyArray<string>) =>
  (_: unknown, print: Print) => ({
    main: print(...words).pipe(Effect.zipRight(Effect.sleep("1 second")), Effect.as(exit))
  })

const withProcesses = (processes: ProcessesTestOptions) => inWorld({ processes })

/** Nothing of it is left: no process, no key, no record. */
const nothingLeft = Effect.gen(function* () {
  assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [])
  assert.deepStrictEqual(yield* (yield* WorkerFilesTest).paths, [])
})

const lastWords = (error: RbeeError) => Schema.encodeSync(Schema.parseJson(ErrorEvent))({ type: "error", error })

describe("phase 9: spawnWorker", () => {
  it.effect("the exact arguments (WK-1)", () =>
    Effect.gen(function* () {
      yield* spawnWorker(order())
      assert.deepStrictEqual(yield* (yield* ProcessesTest).launches, [
        {
          command: [
            "rbee",
            ...["worker", "serve", "--worker-id", "w-id1", "--model", "/models/tiny.gguf"],
            ...["--backend", "cpu", "--device", "0", "--port", "8001", "--slots", "1"],
            ...["--callback-url", callback_url, "--api-key-file", "/home/rbee/run/w-id1.key"]
          ],
          env: { UV_THREADPOOL_SIZE: "1" },
          log_path
        }
      ])
    }).pipe(inWorld())
  )

  it.effect("a hive that is reached directly has workers that are", () =>
    Effect.gen(function* () {
      yield* spawnWorker(order({ host: "0.0.0.0" }))
      const [launched] = yield* (yield* ProcessesTest).launches
      assert.include(launched?.command.join(" "), "--slots 1 --host 0.0.0.0 --callback-url")
    }).pipe(inWorld())
  )

  it.effect("context size and threads are passed on where they were asked for; a GPU is pinned by its UUID", () =>
    Effect.gen(function* () {
      yield* spawnWorker(
        order({
          request: spawnRequest({ backend: "cuda", slots: 4, ctx_size: 4096, threads: 8 }),
          placement: {
            device: new Device({ backend: "cuda", index: 1 }),
            device_uuid: "GPU-abc",
            needs: { ram_mb: 120, vram_mb: 100 }
          }
        })
      )
      const [launched] = yield* (yield* ProcessesTest).launches
      const command = launched?.command.join(" ") ?? ""
      assert.include(command, "--backend cuda --device 1 --port 8001 --slots 4 --ctx-size 4096 --threads 8")
      assert.deepStrictEqual(launched?.env, {
        UV_THREADPOOL_SIZE: "1",
        CUDA_DEVICE_ORDER: "PCI_BUS_ID",
        CUDA_VISIBLE_DEVICES: "GPU-abc"
      })
    }).pipe(inWorld())
  )

  it.effect("gives the worker that called, with its process, key and log", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(5000)
      const { worker, api_key, identity, log_path: log } = yield* spawnWorker(order())
      assert.deepStrictEqual(worker, {
        id,
        node: workstation,
        url: "http://127.0.0.1:8001",
        model_ref: "demo",
        backend: "cpu",
        device: 0,
        state: "idle",
        pid: 1001,
        last_activity: 5,
        slots_total: 1,
        slots_available: 1,
        vram_bytes: 0
      })
      assert.deepStrictEqual([Redacted.value(api_key), identity.pid, log], ["secret1", 1001, log_path])
      assert.isTrue(yield* (yield* Processes).isAlive(identity))
      // On record while it loads already: a hive that is killed now leaves a worker that the next one finds.
      assert.deepStrictEqual(yield* (yield* WorkerFilesTest).paths, [
        "/home/rbee/run/w-id1.json",
        "/home/rbee/run/w-id1.key"
      ])
      assert.deepStrictEqual(yield* lines, ["Starting worker w-id1 on cpu:0, port 8001"])
    }).pipe(inWorld())
  )

  it.effect("the key is not on the command line and not in the environment", () =>
    Effect.gen(function* () {
      yield* spawnWorker(order())
      assert.notInclude(JSON.stringify(yield* (yield* ProcessesTest).launches), "secret")
    }).pipe(inWorld())
  )

  it.effect("a port in use is narrated, and the next one is used (EH-012b)", () =>
    Effect.gen(function* () {
      const { worker } = yield* spawnWorker(order())
      assert.strictEqual(worker.url, "http://127.0.0.1:8003")
      assert.deepStrictEqual((yield* lines).slice(0, 2), [
        "Port 8001 in use, trying 8002…",
        "Port 8002 in use, trying 8003…"
      ])
    }).pipe(inWorld({ processes: { ports_taken: [8001, 8002] } }))
  )

  it.effect("every port taken", () =>
    failsWith(spawnWorker(order()), new NoFreePort({ first: 8001, last: 8002 })).pipe(
      inWorld({
        processes: { ports_taken: [8001, 8002] },
        settings: { ...testSettings(), worker: { port_start: 8001, port_end: 8002 } }
      })
    )
  )

  it.effect("a binary that cannot be started leaves no key (EH-012a)", () =>
    Effect.gen(function* () {
      yield* failsWith(
        spawnWorker(order()),
        new WorkerStartFailed({
          worker_id: id,
          exit_code: null,
          signal: null,
          log_lines: ["spawn rbee EACCES"],
          log_path
        })
      )
      yield* nothingLeft
    }).pipe(withProcesses({ launch: () => ({ reason: "spawn rbee EACCES" }) }))
  )

  const fails = (expected: { readonly _tag: string }) =>
    Effect.gen(function* () {
      const spawning = yield* Effect.fork(failsWith(spawnWorker(order()), expected))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(spawning)
      yield* nothingLeft
    })

  const words = Array.from({ length: 30 }, (_, n) => `log line ${n}`)

  it.effect("a crash at start, with the last 20 lines of its log (EH-012c)", () =>
    fails(
      new WorkerStartFailed({ worker_id: id, exit_code: 3, signal: null, log_lines: words.slice(10), log_path })
    ).pipe(withProcesses({ launch: dying({ code: 3, signal: null }, ...words) }))
  )

  it.effect("a signal at start", () =>
    fails(new WorkerStartFailed({ worker_id: id, exit_code: null, signal: "SIGSEGV", log_lines: [], log_path })).pipe(
      withProcesses({ launch: dying({ code: null, signal: "SIGSEGV" }) })
    )
  )

  describe("killed while it loads (EH-004b)", () => {
    /** A worker that is killed after a second, when the kernel has, or has not, killed one for want of memory. */
    const killed = (exit: ProcessExit, byKernel: boolean, expected: { readonly _tag: string }) =>
      Effect.gen(function* () {
        const { killForMemory } = yield* MemoryTest
        yield* killForMemory // long before
        const spawning = yield* Effect.fork(failsWith(spawnWorker(order()), expected))
        yield* TestClock.adjust("500 millis")
        if (byKernel) yield* killForMemory
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(spawning)
        yield* nothingLeft
      }).pipe(withProcesses({ launch: dying(exit, "loading") }))
    const startFailed = (exit: ProcessExit) =>
      new WorkerStartFailed({
        ...{ worker_id: id, exit_code: exit.code, signal: exit.signal, log_lines: ["loading"], log_path }
      })
    const kill = { code: null, signal: "SIGKILL" }
    const crash = { code: 1, signal: null }

    it.effect("by the kernel, for want of memory", () => killed(kill, true, new OutOfMemory({ log_path })))
    it.effect("by somebody else", () => killed(kill, false, startFailed(kill)))
    it.effect("it ended by itself while the kernel killed another", () => killed(crash, true, startFailed(crash)))
  })

  describe("a CUDA worker whose engine aborts", () => {
    const abort = { code: null, signal: "SIGABRT" }
    const stack = Array.from({ length: 30 }, (_, n) => `/lib/libggml-base.so(+0x${n}f5)[0x7f21c8a2]`)
    const placement = { device: new Device({ backend: "cuda", index: 1 }), device_uuid: "GPU-abc", needs }
    const ends = (cuda: boolean, expected: { readonly _tag: string }, ...words: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const asked = order(cuda ? { placement } : {})
        const spawning = yield* Effect.fork(failsWith(spawnWorker(asked), expected))
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(spawning)
        yield* nothingLeft
      }).pipe(withProcesses({ launch: dying(abort, ...words) }))
    const failed = (reason: string) => new CudaDeviceFailed({ device: 1, reason })

    it.effect("because CUDA does not start", () =>
      ends(
        true,
        failed("failed to initialize CUDA: no CUDA-capable device is detected"),
        "ggml_cuda_init: failed to initialize CUDA: no CUDA-capable device is detected",
        "llama_model_load: error loading model: no backend"
      )
    )
    it.effect("because the device fails: the first complaint counts, though the stack is long", () =>
      ends(
        true,
        failed("CUDA error: an illegal memory access was encountered"),
        "CUDA error: an illegal memory access was encountered",
        "  current device: 0, in function ggml_backend_cuda_synchronize at /src/ggml/src/ggml-cuda/ggml-cuda.cu:2461",
        "  cudaStreamSynchronize(cuda_ctx->stream())",
        "/src/ggml/src/ggml-cuda/ggml-cuda.cu:88: CUDA error",
        ...stack
      )
    )
    it.effect("because the device refuses the VRAM, told in a line of the worker's own log", () =>
      ends(
        true,
        failed("allocating 3571.88 MiB on device 0: cudaMalloc failed: out of memory"),
        JSON.stringify({
          ...{ message: "alloc_buffer: allocating 3571.88 MiB on device 0: cudaMalloc failed: out of memory\n" },
          ...{ logLevel: "WARN", timestamp: "2026-01-01T00:00:00.000Z" }
        }),
        ...stack
      )
    )
    it.effect("before it could say why: the place of the abort is all there is", () =>
      ends(true, failed("ggml-cuda.cu:88: CUDA error"), "/src/ggml/src/ggml-cuda/ggml-cuda.cu:88: CUDA error", ...stack)
    )
    it.effect("for another reason: its exit, with its last 20 lines", () => {
      const log_lines = stack.slice(10)
      const other = { worker_id: id, exit_code: null, signal: "SIGABRT", log_lines, log_path }
      return ends(true, new WorkerStartFailed(other), "ggml.c:70: GGML_ASSERT(a->ne[2] == 1) failed", ...stack)
    })
    it.effect("and no other worker is said to have failed on CUDA, whatever it logs", () => {
      const log_lines = ["CUDA error: out of memory"]
      const other = { worker_id: id, exit_code: null, signal: "SIGABRT", log_lines, log_path }
      return ends(false, new WorkerStartFailed(other), ...log_lines)
    })
  })

  it.effect("RAM that is gone since the preflight: nothing is started, no key is left (Gap-R2)", () =>
    Effect.gen(function* () {
      yield* failsWith(
        spawnWorker(order()),
        new InsufficientRam({ required_mb: 120, available_mb: 119, decreased: true })
      )
      assert.deepStrictEqual(yield* (yield* ProcessesTest).launches, [])
      yield* nothingLeft
    }).pipe(inWorld({ ram_available_mb: 119 }))
  )

  const noCuda = new CudaUnavailable({ reason: "CUDA driver version is insufficient" })

  it.effect("a worker's last words are the error that it wrote", () =>
    fails(noCuda).pipe(withProcesses({ launch: dying({ code: 1, signal: null }, "loading", lastWords(noCuda)) }))
  )

  it.effect("only the very last line counts as last words", () =>
    fails(
      new WorkerStartFailed({
        worker_id: id,
        exit_code: 1,
        signal: null,
        log_lines: [lastWords(noCuda), "panic"],
        log_path
      })
    ).pipe(withProcesses({ launch: dying({ code: 1, signal: null }, lastWords(noCuda), "panic") }))
  )

  it.effect("last words that no spawn can fail with are no more than a log line", () =>
    fails(
      new WorkerStartFailed({
        worker_id: id,
        exit_code: 1,
        signal: null,
        log_lines: [lastWords(new RouteNotFound())],
        log_path
      })
    ).pipe(withProcesses({ launch: dying({ code: 1, signal: null }, lastWords(new RouteNotFound())) }))
  )

  it.effect("a server that does not come up within 30 s (WK, LIFE-6)", () =>
    Effect.gen(function* () {
      const spawning = yield* Effect.fork(
        failsWith(spawnWorker(order()), new WorkerStartTimeout({ worker_id: id, timeout_s: 30, log_path }))
      )
      yield* TestClock.adjust("29900 millis")
      assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [1001])
      yield* TestClock.adjust("200 millis")
      yield* Fiber.join(spawning)
      yield* nothingLeft
    }).pipe(inWorld({ processes: { launch: () => ({}) }, worker: { up: false } }))
  )

  it.effect("a server that comes up late is waited for, and so is the model", () =>
    Effect.gen(function* () {
      const spawning = yield* Effect.fork(spawnWorker(order()))
      yield* TestClock.adjust("2 seconds")
      yield* (yield* WorkerClientTest).change({ up: true })
      yield* TestClock.adjust("4 minutes")
      const report = {
        ...{ worker_id: id, url: "http://127.0.0.1:8001", model_ref: "demo", backend: "cpu" as const },
        ...{ device: 0, vram_bytes: 7, slots_total: 1 }
      }
      yield* (yield* ReadyCalls).accept(report, Redacted.make("secret1"))
      assert.strictEqual((yield* Fiber.join(spawning)).worker.vram_bytes, 7)
    }).pipe(inWorld({ processes: { launch: () => ({}) }, worker: { up: false } }))
  )

  it.effect("a worker that calls as soon as it is started is heard", () => {
    let call = () => {}
    return Effect.gen(function* () {
      const { accept } = yield* ReadyCalls
      const report = {
        ...{ worker_id: id, url: "http://127.0.0.1:8001", model_ref: "demo", backend: "cpu" as const },
        ...{ device: 0, vram_bytes: 7, slots_total: 1 }
      }
      call = () => Effect.runSync(accept(report, Redacted.make("secret1")))
      assert.strictEqual((yield* spawnWorker(order())).worker.vram_bytes, 7)
    }).pipe(
      inWorld({
        processes: {
          launch: () => {
            call()
            return {}
          }
        }
      })
    )
  })

  const progress = (layers_loaded: number) =>
    LoadingProgress.make({ stage: "loading_to_ram", layers_loaded, layers_total: 32, vram_mb: 0 })

  it.effect("a model that does not load within 5 min, with its layers (EH-016a, WK-5)", () =>
    Effect.gen(function* () {
      const spawning = yield* Effect.fork(
        failsWith(
          spawnWorker(order()),
          new ModelLoadTimeout({ worker_id: id, timeout_s: 300, layers_loaded: 28, layers_total: 32, log_path })
        )
      )
      yield* TestClock.adjust("299 seconds")
      assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [1001])
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(spawning)
      yield* nothingLeft
      assert.deepStrictEqual((yield* (yield* NarratorTest).reports).slice(1), [progress(14), progress(28)])
    }).pipe(
      inWorld({ processes: { launch: () => ({}) }, worker: { loading: [progress(14), progress(28)], loads: false } })
    )
  )

  it.effect("a process that ignores SIGTERM is killed when it is given up", () =>
    Effect.gen(function* () {
      const spawning = yield* Effect.fork(Effect.flip(spawnWorker(order())))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(spawning)
      const { journal } = yield* ProcessesTest
      assert.deepStrictEqual((yield* journal).at(-1), { _tag: "stop", pid: 1001, how: "killed" })
    }).pipe(
      inWorld({
        processes: { launch: () => ({ ends_within: "1 hour" }) },
        settings: { timeouts: { worker_start: Duration.seconds(1) } },
        worker: { up: false }
      })
    )
  )

  it.effect("interruption stops the process and removes the key file (CAN-6)", () =>
    Effect.gen(function* () {
      const spawning = yield* Effect.fork(spawnWorker(order()))
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(yield* (yield* WorkerFilesTest).paths, 2)
      yield* Fiber.interrupt(spawning)
      yield* nothingLeft
      assert.deepStrictEqual((yield* (yield* ProcessesTest).journal).at(-1), {
        _tag: "stop",
        pid: 1001,
        how: "stopped"
      })
    }).pipe(inWorld({ processes: { launch: () => ({}) } }))
  )

  it.effect("interrupted while the process is being started: nothing is left either", () =>
    Effect.gen(function* () {
      const starting = yield* Deferred.make<void>()
      const processes = yield* Processes
      const slow = Processes.of({
        ...processes,
        launch: (options) =>
          Deferred.succeed(starting, undefined).pipe(
            Effect.zipRight(Effect.sleep("1 second")),
            Effect.zipRight(processes.launch(options))
          )
      })
      const spawning = yield* Effect.fork(Effect.provideService(spawnWorker(order()), Processes, slow))
      yield* Deferred.await(starting)
      const interrupting = yield* Effect.fork(Fiber.interrupt(spawning))
      yield* TestClock.adjust("5 seconds")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.join(interrupting)))
      yield* nothingLeft
    }).pipe(inWorld({ processes: { launch: () => ({}) } }))
  )

  it.effect("a call with another worker's key is no call of this one", () =>
    Effect.gen(function* () {
      const spawning = yield* Effect.fork(spawnWorker(order()))
      yield* TestClock.adjust("1 second")
      const report = {
        ...{ worker_id: id, url: "http://evil", model_ref: "demo", backend: "cpu" as const },
        ...{ device: 0, vram_bytes: 7, slots_total: 1 }
      }
      const error = yield* Effect.flip((yield* ReadyCalls).accept(report, Redacted.make("guess")))
      assert.strictEqual(error._tag, "Unauthorized")
      yield* Fiber.interrupt(spawning)
    }).pipe(inWorld({ processes: { launch: () => ({}) } }))
  )
})
