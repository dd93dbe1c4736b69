/**
 * node-llama-cpp called directly, in a process of its own: answers each line of stdin with the figures of its generations, which are
 * stepped together, the fastest way that the engine has.
 */
import { createInterface } from "node:readline"
import { getLlama, LlamaLogLevel } from "node-llama-cpp"

const [modelPath = "", threadsText = "1", slotsText = "1", ctxText = "4096"] = process.argv.slice(2)
const threads = Number(threadsText)

const llama = await getLlama({
  gpu: false,
  build: "never",
  maxThreads: threads,
  logLevel: LlamaLogLevel.error,
  progressLogs: false
})
const model = await llama.loadModel({ modelPath, gpuLayers: 0 })
const context = await model.createContext({
  contextSize: Math.min(Number(ctxText), model.trainContextSize),
  sequences: Number(slotsText),
  threads
})
const sequences = Array.from({ length: Number(slotsText) }, () => context.getSequence())
process.stdout.write("ready\n")

/** Times are this process's own: only their differences mean anything to others. */
const generate = async (prompts: ReadonlyArray<string>, max_tokens: number) => {
  const streams = await Promise.all(
    prompts.map(async (prompt, i) => {
      const sequence = sequences[i]
      if (sequence === undefined) throw new Error("more prompts than slots")
      await sequence.clearHistory()
      return { sequence, prompt, tokens: 0, begin: 0, first: 0, last: 0 }
    })
  )
  const begin = performance.now()
  const running = streams.map((stream) => {
    const tokens = model.tokenize(stream.prompt)
    if (model.tokens.bos !== null && tokens[0] !== model.tokens.bos) tokens.unshift(model.tokens.bos)
    return { stream, steps: stream.sequence.evaluate(tokens, { temperature: 0, topK: 1 }) }
  })
  let going = running
  for (let made = 0; made < max_tokens && going.length > 0; made++) {
    const ended = new Set<(typeof running)[number]>()
    await Promise.all(
      going.map(async (one) => {
        const { value, done } = await one.steps.next()
        if (done === true || value === undefined || model.isEogToken(value)) return void ended.add(one)
        model.detokenize([value])
        one.stream.last = performance.now()
        if (one.stream.tokens++ === 0) one.stream.first = one.stream.last
      })
    )
    going = going.filter((one) => !ended.has(one))
  }
  await Promise.all(running.map(({ steps }) => steps.return()))
  return streams.map(({ tokens, first, last }) => ({ tokens, begin, first, last }))
}

for await (const line of createInterface({ input: process.stdin })) {
  const { prompts, max_tokens } = JSON.parse(line) as { prompts: ReadonlyArray<string>; max_tokens: number }
  process.stdout.write(`${JSON.stringify(await generate(prompts, max_tokens))}\n`)
}
process.exit(0)
