/** Calls of tools, as models write them. */
import { assert, describe, it } from "@effect/vitest"
import { Decode } from "../../../src/layers/engine/decode.js"
import { Lockstep } from "../../../src/layers/engine/lockstep.js"
import { tokenText } from "../../../src/layers/engine/textPieces.js"
import { type CallSyntax, readCall } from "../../../src/layers/engine/toolCalls.js"
import type { Piece } from "../../../src/services/Engine.js"

const chatMl: CallSyntax = {
  prefix: '\n<tool_call>\n{"name": "',
  paramsPrefix: '", "arguments": ',
  suffix: "}\n</tool_call>"
}
const plain: CallSyntax = { prefix: "||call: ", paramsPrefix: "(", suffix: ")" }

/** What a generation of these texts, a token each, comes to. */
const decode = async (
  texts: ReadonlyArray<string>,
  calls: CallSyntax | undefined,
  stops: ReadonlyArray<string> = []
) => {
  let at = 0
  const generation = new Decode({
    prompt: [],
    tokens: {
      next: async () =>
        at < texts.length ? { done: false, value: { token: at++ } } : { done: true, value: undefined },
      return: async () => undefined
    },
    place: 0,
    lockstep: new Lockstep(),
    textOf: (token) => tokenText(Buffer.from(texts[token] ?? "")),
    limit: 1000,
    stops,
    endTokens: new Set(),
    endTexts: ["<|im_end|>"],
    calls
  })
  const pieces: Array<Piece> = []
  for (let more = await generation.pull(); more.length > 0; more = await generation.pull()) pieces.push(...more)
  await generation.close()
  return pieces
}

const textOf = (pieces: ReadonlyArray<Piece>) =>
  pieces.map((piece) => (piece._tag === "Text" ? piece.text : "")).join("")
const callsOf = (pieces: ReadonlyArray<Piece>) =>
  pieces.flatMap((piece) => (piece._tag === "ToolCall" ? [piece.call] : []))
const tokensOf = (pieces: ReadonlyArray<Piece>) =>
  pieces.reduce((sum, piece) => sum + (piece._tag === "Stop" ? 0 : piece.tokens), 0)

/** A text in pieces of so many characters. */
const cut = (text: string, size: number) => text.match(new RegExp(`[^]{1,${size}}`, "gu")) ?? []

describe("a call of a tool", () => {
  it("is read, also where its suffix stands within its arguments", () => {
    assert.deepStrictEqual(readCall(plain, 'find({"what": "a (bee)"}) and on'), {
      call: { name: "find", arguments: '{"what": "a (bee)"}' },
      rest: " and on"
    })
    assert.deepStrictEqual(readCall(chatMl, 'now", "arguments": {"zone": "UTC"}}\n</tool_call>')?.call, {
      name: "now",
      arguments: '{"zone": "UTC"}'
    })
    assert.deepStrictEqual(readCall(plain, "now()")?.call, { name: "now", arguments: "{}" })
  })

  it("is none while it is not whole", () => {
    for (const text of ["", "fi", "find(", 'find({"what": "a ', 'find({"what": "a)"']) {
      assert.isUndefined(readCall(plain, text), text)
    }
  })

  it("is told apart from the text around it, however tokens fall", async () => {
    const said = `Let me see.${chatMl.prefix}find${chatMl.paramsPrefix}{"what": "bées 🐝"}${chatMl.suffix}`
    const twice = `${said}${chatMl.prefix}now${chatMl.paramsPrefix}{}${chatMl.suffix}<|im_end|>`
    for (let size = 1; size <= 12; size++) {
      const texts = cut(twice, size)
      const pieces = await decode(texts, chatMl)
      assert.strictEqual(textOf(pieces).trim(), "Let me see.", `pieces of ${size}`)
      assert.deepStrictEqual(callsOf(pieces), [
        { name: "find", arguments: '{"what": "bées 🐝"}' },
        { name: "now", arguments: "{}" }
      ])
      assert.deepStrictEqual(pieces.at(-1), { _tag: "Stop", reason: "eos" })
      assert.isAtMost(tokensOf(pieces), texts.length)
    }
  })

  it("that is cut off before its suffix counts where its arguments are whole, and else is text", async () => {
    const whole = await decode(cut(`||call: find({"what": "bee"}`, 5), plain)
    assert.deepStrictEqual(callsOf(whole), [{ name: "find", arguments: '{"what": "bee"}' }])
    const half = await decode(cut(`||call: find({"what": "b`, 5), plain)
    assert.deepStrictEqual([callsOf(half), textOf(half)], [[], `||call: find({"what": "b`])
  })

  it("is text like any other where there are no tools", async () => {
    const pieces = await decode(cut("||call: find()", 3), undefined)
    assert.deepStrictEqual([callsOf(pieces), textOf(pieces)], [[], "||call: find()"])
  })

  it("hides no stop string that stands in the text", async () => {
    const pieces = await decode(cut("one STOP two ||call: find()", 4), plain, ["STOP"])
    assert.deepStrictEqual([callsOf(pieces), textOf(pieces)], [[], "one "])
    assert.deepStrictEqual(pieces.at(-1), { _tag: "Stop", reason: "stop" })
  })
})
