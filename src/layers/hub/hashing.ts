/** SHA-256 of a file while it arrives, in a thread of its own, so that neither the hash nor the network waits for the other. */
import * as Path from "node:path"
import { Worker } from "node:worker_threads"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { messageOf } from "../../domain/Thrown.js"
import { packageRoot } from "../packageRoot.js"

/** What the thread is to hash. */
export interface HashOrder {
  readonly path: string
  readonly size_bytes: number
}

/** A hash in the making. */
export interface Hashing {
  /** The file has so many bytes from its beginning without a gap. */
  readonly reached: (bytes: number) => void
  /** The digest in hex, once everything was reached. Fails where the file cannot be read. */
  readonly digest: Effect.Effect<string, string>
}

/** Starts to hash the file; the thread ends with the scope. */
export const hashing = (order: HashOrder): Effect.Effect<Hashing, never, Scope.Scope> =>
  Effect.gen(function* () {
    const digest = yield* Deferred.make<string, string>()
    const run = Runtime.runFork(yield* Effect.runtime())
    const thread = yield* Effect.acquireRelease(
      Effect.sync(() => new Worker(Path.join(packageRoot, "dist", "threads", "hash.js"), { workerData: order })),
      (worker) => Effect.promise(() => worker.terminate())
    )
    thread.once("message", (hex: string) => run(Deferred.succeed(digest, hex)))
    thread.once("error", (error) => run(Deferred.fail(digest, messageOf(error))))
    return { reached: (bytes) => thread.postMessage(bytes), digest: Deferred.await(digest) }
  })
