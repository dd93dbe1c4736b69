import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { afterAll } from "vitest"
import { NotGguf, readGgufHeader } from "../../../src/layers/engine/ggufHeader.js"

const demo = fileURLToPath(new URL("../../../models/tiny-stories.gguf", import.meta.url))
const whole = readFileSync(demo)
const folder = mkdtempSync(join(tmpdir(), "rbee-gguf-"))
afterAll(() => rmSync(folder, { recursive: true }))

/** Reads a file of these bytes: what it says of itself, or why it is refused. Anything else is a bug. */
const read = (content: Uint8Array): string | number => {
  const path = join(folder, "model.gguf")
  writeFileSync(path, content)
  try {
    return readGgufHeader(path).layers
  } catch (error) {
    assert.instanceOf(error, NotGguf)
    return error.message
  }
}

describe("readGgufHeader", () => {
  it("reads the demo model", () =>
    assert.deepStrictEqual(readGgufHeader(demo), { layers: 6, size_bytes: whole.length }))

  it("refuses the demo model cut anywhere in its header", () =>
    FastCheck.assert(
      FastCheck.property(FastCheck.integer({ min: 0, max: 30_000 }), (length) => {
        assert.isString(read(whole.subarray(0, length)))
      }),
      { seed: 7, numRuns: 200 }
    ))

  it("survives any eight bytes of the header being anything", () =>
    FastCheck.assert(
      FastCheck.property(
        FastCheck.integer({ min: 0, max: 3_000 }),
        FastCheck.uint8Array({ minLength: 8, maxLength: 8 }),
        (at, bytes) => {
          const damaged = Buffer.from(whole.subarray(0, 40_000))
          damaged.set(bytes, at)
          read(damaged)
        }
      ),
      { seed: 7, numRuns: 300 }
    ))

  it("refuses counts that no file of that size can hold, at once", () => {
    const huge = Buffer.alloc(53)
    huge.write("GGUF")
    huge.writeUInt32LE(3, 4)
    huge.writeBigUInt64LE(2n ** 63n, 8)
    assert.include(String(read(huge)), "exceeds its size")
    huge.writeBigUInt64LE(0n, 8)
    huge.writeBigUInt64LE(50n, 16)
    assert.include(String(read(huge)), "cut short")
  })
})
