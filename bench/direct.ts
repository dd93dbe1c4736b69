/** node-llama-cpp called directly, in a process of its own: answers each line of stdin with one generation's figures. */
import { createInterface } from "node:readline"
import { getLlama, LlamaLogLevel } from "node-llama-cpp"

const [modelPath = "", threadsText = "1"] = process.argv.slice(2)
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
  contextSize: Math.min(4096, model.trainContextSize),
  sequences: 1,
  threads
})
const sequence = context.getSequence()
process.stdout.write("ready\n")

for await (const line of createInterface({ input: process.stdin })) {
  const { prompt, max_tokens } = JSON.parse(line) as { prompt: string; max_tokens: number }
  const begin = performance.now()
  let first = 0
  let count = 0
  const tokens = model.tokenize(prompt)
  if (model.tokens.bos !== null && tokens[0] !== model.tokens.bos) tokens.unshift(model.tokens.bos)
  await sequence.clearHistory()
  for await (const token of sequence.evaluate(tokens, { temperature: 0 })) {
    if (model.isEogToken(token)) break
    if (count++ === 0) first = performance.now()
    model.detokenize([token])
    if (count === max_tokens) break
  }
  const end = performance.now()
  process.stdout.write(`${JSON.stringify({ tokens: count, ttft_ms: first - begin, decode_ms: end - first })}\n`)
}
process.exit(0)
