/** Names and ids: what is accepted is harmless everywhere it goes. */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { CorrelationIdText } from "../../src/domain/CorrelationId.js"
import { localhost, NodeName, QueenId, RequestId, WorkerId } from "../../src/domain/Ids.js"

/** What no id of any kind may hold. */
const hostile = [
  "",
  " ",
  "a b",
  "a\n",
  "\na",
  "a\0",
  "a\u001b[31m",
  "a;b",
  "$(id)",
  "`id`",
  "a|b",
  "a&b",
  "a'b",
  'a"b',
  "a/b",
  "..",
  "a.b",
  "a\\b",
  "<b>",
  "a%20b",
  "é",
  "ａ",
  "a\u202e"
]

const kinds = {
  NodeName: {
    schema: NodeName,
    safe: /^[a-z0-9-]+$/,
    valid: ["a", "0", "workstation", "gpu-node-1", "a--b", "1a", "a".repeat(63)],
    invalid: ["-a", "a-", "-", "A", "Workstation", "a_b", "a".repeat(64)]
  },
  WorkerId: {
    schema: WorkerId,
    safe: /^[A-Za-z0-9-]+$/,
    valid: ["a", "A-1", "worker-01J", "w".repeat(64)],
    invalid: ["a_b", "w".repeat(65)]
  },
  RequestId: {
    schema: RequestId,
    safe: /^[A-Za-z0-9_-]+$/,
    valid: ["a", "req_1-A", "r".repeat(64)],
    invalid: ["r".repeat(65)]
  },
  QueenId: { schema: QueenId, safe: /^[A-Za-z0-9-]+$/, valid: ["q", "q".repeat(64)], invalid: ["q_1", "q".repeat(65)] },
  CorrelationId: {
    schema: CorrelationIdText,
    safe: /^[A-Za-z0-9_-]+$/,
    valid: ["-", "c_1", "c".repeat(64)],
    invalid: ["c".repeat(65)]
  }
}

for (const [name, { schema, safe, valid, invalid }] of Object.entries(kinds)) {
  describe(name, () => {
    // The schemas differ in their brands alone, which say nothing to this test.
    const decode = Schema.decodeUnknownSync(schema as unknown as Schema.Schema<string>)
    const accepts = Schema.is(schema as unknown as Schema.Schema<string>)

    it.prop("is safe in a URL, a file name and a shell", [Arbitrary.make(schema as Schema.Schema<string>)], ([id]) => {
      assert.match(id, safe)
      assert.strictEqual(encodeURIComponent(id), id)
      assert.strictEqual(decode(JSON.parse(JSON.stringify(id))), id)
    })
    for (const id of valid) it(`accepts ${id}`, () => assert.strictEqual(decode(id), id))
    for (const id of [...invalid, ...hostile]) {
      it(`refuses ${JSON.stringify(id)}`, () => assert.isFalse(accepts(id)))
    }
    for (const other of [1, null, undefined, {}, ["a"]]) {
      it(`refuses ${JSON.stringify(other)}`, () => assert.isFalse(accepts(other)))
    }
  })
}

it("the built-in node has a node's name", () => {
  assert.strictEqual(localhost, "localhost")
  assert.isTrue(Schema.is(NodeName)(localhost))
})
