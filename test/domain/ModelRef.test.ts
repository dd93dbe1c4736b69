/** Model references: every valid form is read and printed back, every violation names its rule and echoes nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as FastCheck from "effect/FastCheck"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { DemoModel, FileModel, HubChoice, HubModel, ModelRef, parseModelRef } from "../../src/domain/ModelRef.js"

const right = (text: string): ModelRef =>
  Either.getOrElse(parseModelRef(text), ({ rule }) => assert.fail(`${text} was refused: ${rule}`))

const ruleOf = (text: string): string =>
  Either.match(parseModelRef(text), {
    onLeft: ({ rule }) => rule,
    onRight: () => assert.fail(`${JSON.stringify(text)} was accepted`)
  })

const repo = "TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF"

describe("the forms of data.md", () => {
  const forms: ReadonlyArray<readonly [string, ModelRef]> = [
    ["demo", new DemoModel()],
    ["file:///models/tiny.gguf", new FileModel({ path: "/models/tiny.gguf" })],
    ["file:///m/big-00001-of-00003.gguf", new FileModel({ path: "/m/big-00001-of-00003.gguf" })],
    [`hf:${repo}`, new HubModel({ repo, choice: HubChoice.Preferred(), revision: null })],
    [`hf:${repo}:Q5_K_M`, new HubModel({ repo, choice: HubChoice.Quantization({ name: "Q5_K_M" }), revision: null })],
    [`hf:${repo}/a/b.gguf`, new HubModel({ repo, choice: HubChoice.File({ path: "a/b.gguf" }), revision: null })],
    [`hf:${repo}@main`, new HubModel({ repo, choice: HubChoice.Preferred(), revision: "main" })],
    [`hf:${repo}@refs/pr/1`, new HubModel({ repo, choice: HubChoice.Preferred(), revision: "refs/pr/1" })],
    [
      `hf:${repo}:Q8_0@v1.0`,
      new HubModel({ repo, choice: HubChoice.Quantization({ name: "Q8_0" }), revision: "v1.0" })
    ],
    [`hf:${repo}/x.gguf@v1`, new HubModel({ repo, choice: HubChoice.File({ path: "x.gguf" }), revision: "v1" })]
  ]
  for (const [text, expected] of forms) {
    it(text, () => {
      assert.isTrue(Equal.equals(right(text), expected))
      assert.strictEqual(String(right(text)), text)
      assert.strictEqual(right(text).provider, text.split(":")[0])
    })
  }

  it("a quantization is written in capitals, so that one model has one name", () => {
    assert.strictEqual(String(right(`hf:${repo}:q4_k_m`)), `hf:${repo}:Q4_K_M`)
  })
})

const word = FastCheck.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,12}(\.[A-Za-z0-9_-]{1,6})?$/)
const path = FastCheck.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join("/"))
const revision = FastCheck.option(path, { nil: undefined }).map((at) => (at === undefined ? "" : `@${at}`))
const choice = FastCheck.oneof(
  FastCheck.constant(""),
  FastCheck.stringMatching(/^:[A-Z0-9_]{1,10}$/),
  path.map((file) => `/${file}.gguf`)
)
const valid = FastCheck.oneof(
  FastCheck.constant("demo"),
  path.map((file) => `file:///${file}.gguf`),
  FastCheck.tuple(word, word, choice, revision).map(([org, name, what, at]) => `hf:${org}/${name}${what}${at}`)
).filter((text) => text.length <= 256)

describe("properties", () => {
  it.prop("a valid reference is read and printed back the same", [valid], ([text]) => {
    assert.strictEqual(String(right(text)), text)
    assert.isTrue(Equal.equals(right(text), right(text)))
  })

  it.prop("what any program holds survives the wire", [Arbitrary.make(Schema.typeSchema(ModelRef))], ([ref]) => {
    const back = Schema.decodeUnknownSync(ModelRef)(JSON.parse(JSON.stringify(Schema.encodeSync(ModelRef)(ref))))
    assert.isTrue(Equal.equals(back, ref))
  })

  it.prop(
    "any text is read or refused, and what was read is printed as a valid reference",
    [FastCheck.fullUnicodeString()],
    ([text]) => {
      for (const candidate of [text, `hf:${text}`, `hf:org/repo${text}`, `file:///${text}`, `file:///${text}.gguf`]) {
        const parsed = parseModelRef(candidate)
        if (Either.isRight(parsed)) assert.isTrue(Equal.equals(right(String(parsed.right)), parsed.right))
      }
    }
  )

  it.prop(
    "a valid reference with one bad character anywhere is refused",
    [valid, FastCheck.nat(), FastCheck.constantFrom(...";|&$`<>(){}[]*?!\"'\\#%,=^~ \t\n\r\0\u001b\u007fé🍰")],
    ([text, at, bad]) => {
      const place = at % (text.length + 1)
      ruleOf(text.slice(0, place) + bad + text.slice(place))
    }
  )
})

describe("each violation names its rule", () => {
  const long = (length: number) => `file:///${"a".repeat(length - "file:///.gguf".length)}.gguf`

  it("256 characters are accepted, 257 are not", () => {
    assert.strictEqual(String(right(long(256))), long(256))
    assert.strictEqual(ruleOf(long(257)), "at most 256 characters, got 257")
    assert.strictEqual(ruleOf("x".repeat(10_000_000)), "at most 256 characters, got 10000000")
  })

  const ascii = "printable ASCII characters only"
  const shell = "no spaces, quotes or shell characters"
  const form = "expected hf:org/repo, hf:org/repo:Q4_K_M or hf:org/repo/file.gguf"
  const violations: Readonly<Record<string, ReadonlyArray<string>>> = {
    [ascii]: [
      "hf:orgé/repo",
      "hf:org/репо",
      "hf:org/repo\n",
      "demo\n",
      "hf:org/repo\u0000",
      "hf:org/\u001b[31mrepo",
      "hf:org/repo\u007f",
      "hf:org/repo\u202e"
    ],
    "no '..'": [
      "hf:../repo",
      "hf:org/..",
      "hf:org/repo/../x.gguf",
      "hf:org/repo@../../etc",
      "hf:org/repo/a..b.gguf",
      "file:///../etc/passwd.gguf",
      "file:///models/..",
      ".."
    ],
    [shell]: [
      "hf:org/repo;rm -rf /",
      "hf:org/$(id)",
      "hf:org/`id`",
      "hf:org/repo|cat",
      "hf:org/repo&",
      "hf:org/repo>x",
      "hf:org/'--",
      'hf:org/"x"',
      "hf:org/<script>",
      "file:///a b.gguf",
      "file:///%2e%2e/x.gguf",
      "file://~/x.gguf",
      " demo",
      "demo "
    ],
    "expected hf:org/repo or file:///path": ["", "Demo", "org/repo", "http://x/y.gguf", "HF:org/repo", "/x.gguf"],
    [form]: [
      "hf:",
      "hf:org",
      "hf:org/",
      "hf:/repo",
      "hf:-org/repo",
      "hf:org/.repo",
      "hf:org/repo:",
      "hf:org/repo:Q4-K",
      "hf:org/repo/",
      "hf:org/repo/x.bin",
      "hf:org/repo//x.gguf",
      "hf:org/repo@",
      "hf:org/repo@a@b",
      "hf:org/repo:Q4:Q5"
    ],
    "file:// needs an absolute path: file:///path/model.gguf": ["file://", "file://x.gguf", "file://host/x.gguf"],
    "file:// names a .gguf file": ["file:///", "file:///etc/passwd", "file:///x.gguf/", "file:///x.GGUF"]
  }
  for (const [rule, texts] of Object.entries(violations)) {
    for (const text of texts) it(`${JSON.stringify(text)}: ${rule}`, () => assert.strictEqual(ruleOf(text), rule))
  }
})

describe("on the wire", () => {
  it("a refusal says the rule in a client's words, and nothing of what was sent (VAL-13)", () => {
    const secret = "s3cr3t"
    for (const text of [`${secret};`, `hf:${secret}`, `file://${secret}`, secret, `${secret}\n`, secret.repeat(60)]) {
      const result = Schema.decodeUnknownEither(ModelRef)(text)
      assert.isTrue(Either.isLeft(result))
      if (Either.isRight(result)) continue
      for (const told of [
        ParseResult.TreeFormatter.formatErrorSync(result.left),
        JSON.stringify(ParseResult.ArrayFormatter.formatErrorSync(result.left).map(({ message }) => message))
      ]) {
        assert.include(told, `a model reference: ${ruleOf(text)}`)
        assert.notInclude(told, secret)
      }
    }
  })
})
