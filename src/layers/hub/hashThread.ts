/**
 * The thread that hashes a file while it grows: a program of its own, built to dist/threads. It is told how far the file reaches without
 * a gap, reads on from where it was, and says the digest when it has reached the end.
 */
import { createHash } from "node:crypto"
import { openSync, readSync } from "node:fs"
import { parentPort, workerData } from "node:worker_threads"
import type { HashOrder } from "./hashing.js"

const { path, size_bytes }: HashOrder = workerData
const hash = createHash("sha256")
const file = openSync(path, "r")
const buffer = Buffer.allocUnsafe(1024 ** 2)
let at = 0

const readTo = (reached: number): void => {
  while (at < reached) {
    const got = readSync(file, buffer, 0, Math.min(buffer.length, reached - at), at)
    if (got === 0) throw new Error("the file became shorter while it was hashed")
    hash.update(buffer.subarray(0, got))
    at += got
  }
  if (at === size_bytes) parentPort?.postMessage(hash.digest("hex"))
}

parentPort?.on("message", readTo)
