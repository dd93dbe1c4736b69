/** Which of a repository's files a reference means, and that nothing else becomes a file of ours. */
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { bytesOf, chooseFiles, type HubFile, quantizationOf } from "../../src/domain/HubFiles.js"
import { HubChoice, HubModel, parseModelRef } from "../../src/domain/ModelRef.js"

const file = (path: string, size_bytes = 100): HubFile => ({ path, size_bytes, sha256: "0".repeat(64) })
const files = (...paths: ReadonlyArray<string>): ReadonlyArray<HubFile> => paths.map((path) => file(path))

const model = (choice: HubChoice = HubChoice.Preferred(), revision: string | null = null): HubModel =>
  new HubModel({ repo: "org/repo", choice, revision })
const quantization = (name: string) => model(HubChoice.Quantization({ name }))
const named = (path: string) => model(HubChoice.File({ path }))

const choose = (what: HubModel, from: ReadonlyArray<HubFile>) => chooseFiles(what, from)
/** The paths that are chosen; the choice must not be refused. */
const chosen = (what: HubModel, from: ReadonlyArray<HubFile>): ReadonlyArray<string> =>
  Either.match(choose(what, from), {
    onLeft: (near) => assert.fail(`nothing was chosen; near: ${near}`),
    onRight: (taken) => taken.map(({ path }) => path)
  })
/** What is named instead; nothing may be chosen. */
const near = (what: HubModel, from: ReadonlyArray<HubFile>): ReadonlyArray<string> =>
  Either.match(choose(what, from), {
    onLeft: (others) => others,
    onRight: ([{ path }]) => assert.fail(`${path} was chosen`)
  })

describe("quantizationOf (MOD-3)", () => {
  for (const [path, expected] of [
    ["tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf", "Q4_K_M"],
    ["tinyllama-1.1b-chat-v1.0.Q5_K_M.gguf", "Q5_K_M"],
    ["tinyllama-1.1b-chat-v1.0.Q8_0.gguf", "Q8_0"],
    ["model.Q4_0.gguf", "Q4_0"],
    ["model-Q4_K.gguf", "Q4_K"],
    ["model_Q2_K_S.gguf", "Q2_K_S"],
    ["model-IQ2_XXS.gguf", "IQ2_XXS"],
    ["model-IQ4_NL.gguf", "IQ4_NL"],
    ["model-F16.gguf", "F16"],
    ["model.BF16.gguf", "BF16"],
    ["f32.gguf", "F32"],
    ["qwen2.5-7b-instruct-q4_k_m.gguf", "Q4_K_M"],
    ["qwen2.5-7b-instruct-q8_0-00002-of-00003.gguf", "Q8_0"],
    ["Q8_0/model-Q8_0-00001-of-00002.gguf", "Q8_0"],
    ["/home/rbee/models/org--repo/abc/model-q5_k_m.gguf", "Q5_K_M"],
    ["Qwen2-7B.gguf", null],
    ["model.gguf", null],
    ["stories260K.gguf", null],
    ["Q4_K_M/model.gguf", null],
    ["Q4_K_M.txt", null],
    ["modelQ4_K_M.gguf", null],
    ["", null]
  ] as const) {
    it(`${path === "" ? "no name" : path}: ${expected ?? "none"}`, () => {
      assert.strictEqual(quantizationOf(path), expected)
    })
  }
})

describe("chooseFiles", () => {
  const preferred = ["m.Q4_K_M.gguf", "m.Q4_0.gguf", "m.Q5_K_M.gguf", "m.Q8_0.gguf"]

  for (const [index, best] of preferred.entries()) {
    it(`without a choice it is ${best}, where there is nothing that is preferred to it`, () => {
      const there = [...preferred.slice(index), "m.Q2_K.gguf", "m.F16.gguf"].reverse()
      assert.deepStrictEqual(chosen(model(), files(...there)), [best])
    })
  }

  it("and else the smallest, whatever the order", () => {
    const there = [file("a.F16.gguf", 300), file("b.Q2_K.gguf", 90), file("c.gguf", 100)]
    assert.deepStrictEqual(chosen(model(), there), ["b.Q2_K.gguf"])
    assert.deepStrictEqual(chosen(model(), [...there].reverse()), ["b.Q2_K.gguf"])
  })

  it("of two of one quantization the smaller", () => {
    const there = [file("big.Q4_K_M.gguf", 300), file("small.Q4_K_M.gguf", 100)]
    assert.deepStrictEqual(chosen(model(), there), ["small.Q4_K_M.gguf"])
    assert.deepStrictEqual(chosen(quantization("Q4_K_M"), [...there].reverse()), ["small.Q4_K_M.gguf"])
  })

  it("a quantization that is named, and no other (MOD-3)", () => {
    const there = files("m.Q4_K_M.gguf", "m.Q5_K_M.gguf", "m.q8_0.gguf", "m.IQ4_XS.gguf")
    for (const [name, path] of [
      ["Q4_K_M", "m.Q4_K_M.gguf"],
      ["Q5_K_M", "m.Q5_K_M.gguf"],
      ["Q8_0", "m.q8_0.gguf"],
      ["IQ4_XS", "m.IQ4_XS.gguf"]
    ] as const) {
      assert.deepStrictEqual(chosen(quantization(name), there), [path])
    }
    for (const name of ["Q4_K", "Q4", "K_M", "Q6_K", "M"]) assert.isNotEmpty(near(quantization(name), there))
  })

  it("a file that is named, by its whole path alone", () => {
    const there = files("sub/m.Q2_K.gguf", "m.Q4_K_M.gguf", "other/m.Q2_K.gguf")
    assert.deepStrictEqual(chosen(named("sub/m.Q2_K.gguf"), there), ["sub/m.Q2_K.gguf"])
    for (const path of ["m.Q2_K.gguf", "sub/m.q2_k.gguf", "sub"]) near(named(path), there)
  })

  it("files that are no GGUF files are never meant", () => {
    const there = files("README.md", "m.Q4_K_M.gguf.part", "config.json", "m.Q4_K_M.ggufx", "m.safetensors")
    assert.deepStrictEqual(near(model(), there), [])
    assert.deepStrictEqual(near(model(), []), [])
  })

  describe("a split model (MOD-6)", () => {
    const parts = [1, 2, 3].map((n) => file(`q/m-Q4_K_M-0000${n}-of-00003.gguf`, n * 100))
    const all = parts.map(({ path }) => path)

    it("is one model: all its parts, the first one first", () => {
      const taken = Either.getOrThrow(choose(model(), [...parts].reverse()))
      assert.deepStrictEqual(
        taken.map(({ path }) => path),
        all
      )
      assert.strictEqual(bytesOf(taken), 600)
    })

    it("is meant by any of its parts", () => {
      for (const { path } of parts) assert.deepStrictEqual(chosen(named(path), parts), all)
    })

    it("counts with all its parts when the smallest is looked for", () => {
      const there = [...parts.map(({ path, size_bytes }) => file(path.replace("Q4_K_M", "Q3_K_M"), size_bytes))]
      assert.deepStrictEqual(chosen(model(), [...there, file("m.Q6_K.gguf", 500)]), ["m.Q6_K.gguf"])
    })

    for (const gone of [0, 1, 2]) {
      it(`is not there where part ${gone + 1} is missing`, () => {
        const rest = parts.filter((_, index) => index !== gone)
        assert.deepStrictEqual(near(model(), rest), [])
        assert.deepStrictEqual(near(quantization("Q4_K_M"), rest), [])
        for (const { path } of rest) assert.deepStrictEqual(near(named(path), rest), [])
        assert.deepStrictEqual(chosen(model(), [...rest, file("m.Q8_0.gguf", 9000)]), ["m.Q8_0.gguf"])
      })
    }

    it("is not made of another one's parts", () => {
      const mixed = files("a-00001-of-00002.gguf", "b-00002-of-00002.gguf", "a-00002-of-00003.gguf")
      assert.deepStrictEqual(near(model(), mixed), [])
    })
  })

  describe("image projectors and importance matrices are no language models", () => {
    const others = ["mmproj-model-f16.gguf", "sub/mmproj-Q8_0.gguf", "imatrix.gguf", "m-imatrix.gguf", "m.imatrix.gguf"]

    it("so they are not meant, small as they are", () => {
      const there = [...others.map((path) => file(path, 1)), file("m.F16.gguf", 1000)]
      assert.deepStrictEqual(chosen(model(), there), ["m.F16.gguf"])
      assert.deepStrictEqual(near(quantization("Q8_0"), there), ["hf:org/repo/m.F16.gguf"])
      assert.deepStrictEqual(near(model(), files(...others)), [])
    })

    it("unless they are named", () => {
      for (const path of others) assert.deepStrictEqual(chosen(named(path), files(...others)), [path])
    })
  })

  describe("what is near", () => {
    it("are the repository's models, by references that can be used as they stand", () => {
      const there = files("b.Q8_0.gguf", "a.Q4_0.gguf", "README.md", "s-00002-of-00002.gguf", "s-00001-of-00002.gguf")
      assert.deepStrictEqual(near(quantization("Q5_K_M"), there), [
        "hf:org/repo/a.Q4_0.gguf",
        "hf:org/repo/b.Q8_0.gguf",
        "hf:org/repo/s-00001-of-00002.gguf"
      ])
    })

    it("at the revision that was asked for", () => {
      const asked = model(HubChoice.Quantization({ name: "Q5_K_M" }), "v1.0")
      assert.deepStrictEqual(near(asked, files("a.Q4_0.gguf")), ["hf:org/repo/a.Q4_0.gguf@v1.0"])
    })

    it("at most eight", () => {
      const many = Array.from({ length: 20 }, (_, n) => file(`m-${String(n).padStart(2, "0")}.gguf`))
      assert.lengthOf(near(quantization("Q4_0"), many), 8)
    })

    it("names nothing that a reference cannot name", () => {
      const long = `${"x".repeat(300)}.gguf`
      assert.deepStrictEqual(near(quantization("Q4_0"), files("c++.gguf", long, "a.gguf")), ["hf:org/repo/a.gguf"])
    })
  })
})

describe("the hub's names are not to be trusted", () => {
  const hostile = [
    "../m.Q4_K_M.gguf",
    "a/../../m.Q4_K_M.gguf",
    "a..b.Q4_K_M.gguf",
    "/etc/m.Q4_K_M.gguf",
    "//host/m.Q4_K_M.gguf",
    "~/m.Q4_K_M.gguf",
    "C:\\m.Q4_K_M.gguf",
    "a\\m.Q4_K_M.gguf",
    "..\\m.Q4_K_M.gguf",
    ".hidden.Q4_K_M.gguf",
    "a/.hidden.Q4_K_M.gguf",
    "a//m.Q4_K_M.gguf",
    "./m.Q4_K_M.gguf",
    "-m.Q4_K_M.gguf",
    "a\0.Q4_K_M.gguf",
    "a\n.Q4_K_M.gguf",
    "m.Q4_K_M.gguf\n",
    "\u001b[31m.Q4_K_M.gguf",
    "a\u009b31m.Q4_K_M.gguf",
    "a b.Q4_K_M.gguf",
    "ä.Q4_K_M.gguf",
    "a%2fb.Q4_K_M.gguf",
    "a?b.Q4_K_M.gguf",
    "$(id).Q4_K_M.gguf"
  ]
  for (const path of hostile) {
    it(`${JSON.stringify(path)} is never chosen, nor told of`, () => {
      assert.deepStrictEqual(near(named(path), files(path)), [])
      assert.deepStrictEqual(near(model(), files(path)), [])
      assert.deepStrictEqual(near(quantization("Q4_K_M"), files(path)), [])
      assert.deepStrictEqual(chosen(model(), [file(path, 1), file("good.Q8_0.gguf", 900)]), ["good.Q8_0.gguf"])
    })
  }

  it("a split model with one such part is not there", () => {
    const there = files("a/m-00001-of-00002.gguf", "a/../m-00002-of-00002.gguf")
    assert.deepStrictEqual(near(model(), there), [])
  })

  const piece = FastCheck.oneof(
    FastCheck.constantFrom("..", ".", "/", "\\", "//", "\0", "\n", "\u001b", "~", ":", "-00001-of-00001", ".gguf"),
    FastCheck.constantFrom("model", "a", "Q4_K_M", ".Q8_0", "sub/", "mmproj-", "-", "_"),
    FastCheck.fullUnicodeString({ maxLength: 4 })
  )
  const path = FastCheck.tuple(FastCheck.array(piece, { maxLength: 5 }), FastCheck.boolean()).map(
    ([pieces, gguf]) => `${pieces.join("")}${gguf ? ".gguf" : ""}`
  )
  const repository = FastCheck.array(
    FastCheck.record({ path, size_bytes: FastCheck.nat(), sha256: FastCheck.constant(null) }),
    { minLength: 1, maxLength: 6 }
  )
  /** The paths that any way to choose comes to. */
  const choosable = (there: ReadonlyArray<HubFile>): ReadonlyArray<string> =>
    [model(), quantization("Q4_K_M"), quantization("Q8_0"), ...there.map(({ path }) => named(path))].flatMap((what) =>
      Either.match(choose(what, there), { onLeft: () => [], onRight: (taken) => taken.map(({ path }) => path) })
    )

  it.prop("whatever is chosen lies in its folder, under a plain name", [repository], ([there]) => {
    for (const path of choosable(there)) {
      for (const { join, sep, root } of [
        { ...Path.posix, root: "/models" },
        { ...Path.win32, root: "C:\\models" }
      ]) {
        const local = join(root, path)
        assert.isTrue(local.startsWith(`${root}${sep}`), local)
        assert.strictEqual(local, [root, ...path.split("/")].join(sep)) // nothing in it is more than a name
      }
      assert.match(path, /^[\x21-\x7e]+\.gguf$/)
      assert.notMatch(path, /\.\.|[\\:~*?"<>|]|(?:^|\/)[.-]/)
    }
  })

  it("and that is put to the test: of such repositories some have something to choose, and some have not", () => {
    const outcomes = FastCheck.sample(repository, { numRuns: 200, seed: 7 }).map((there) => choosable(there).length > 0)
    assert.includeMembers(outcomes, [true, false])
  })

  it.prop("whatever is near can be asked for, and is then found", [repository], ([there]) => {
    for (const text of Either.getOrElse(Either.flip(choose(quantization("Q3_K_S"), there)), () => [])) {
      const again = Either.getOrThrow(parseModelRef(text))
      assert.strictEqual(again._tag === "HubModel" && Either.isRight(choose(again, there)), true, text)
    }
  })
})
