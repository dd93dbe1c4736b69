/** Lines of logs as the terminal shows them. */
import { assert, describe, it } from "@effect/vitest"
import { logJson, logText } from "../../src/cli/render/logs.js"

const entry = (given: object) =>
  JSON.stringify({ timestamp: "2026-11-21T22:22:41.123Z", spans: {}, fiberId: "#0", ...given })

/** The time in this machine's zone, where minutes may differ as well. */
const at = (text: string) => text.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:41 /, "AT ")

describe("logText", () => {
  it("time, level and words of an entry, and what it is about", () => {
    const line = entry({ message: "listens", logLevel: "INFO", annotations: { correlation_id: "c-1" } })
    assert.strictEqual(at(logText(line)), "AT info  listens correlation_id=c-1\n")
    assert.strictEqual(at(logText(entry({ message: ["a", { b: 1 }], logLevel: "WARN" }))), 'AT WARN  a {"b":1}\n')
  })

  it("a cause follows, indented, and so do further lines", () => {
    const line = entry({ message: "it\nfailed", logLevel: "ERROR", cause: "Error: x\n at y" })
    assert.strictEqual(at(logText(line)), "AT ERROR it\n  failed\n  Error: x\n   at y\n")
  })

  it("what a library printed is shown as it is, and a worker's last words as words", () => {
    for (const line of ["ggml: out of memory", "[1,2]", "{}", ""]) assert.strictEqual(logText(line), `${line}\n`)
    const last = JSON.stringify({ type: "error", error: { code: "OUT_OF_MEMORY", message: "Out of memory" } })
    assert.strictEqual(logText(last), "❌ Out of memory\n")
  })
})

describe("logJson", () => {
  it("every line is one JSON object", () => {
    const line = entry({ message: "a", logLevel: "INFO" })
    assert.strictEqual(logJson(line), `${line}\n`)
    assert.strictEqual(logJson('said "x"'), '{"message":"said \\"x\\""}\n')
    assert.strictEqual(logJson("[1]"), '{"message":"[1]"}\n')
  })
})
