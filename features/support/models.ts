/** The demo model as this package ships it, and one made of it that does not stop by itself. */
import * as Fs from "node:fs/promises"

const demo = new URL("../../models/tiny-stories.gguf", import.meta.url)

/**
 * Writes the demo model with another end token, one that it never chooses: its stories go on until the context is full, for
 * several seconds. What is to happen in the middle of an answer then happens there, on a fast machine too.
 */
export const writeEndlessModel = async (path: string): Promise<void> => {
  const bytes = await Fs.readFile(demo)
  const key = Buffer.from("tokenizer.ggml.eos_token_id")
  const value = bytes.indexOf(key) + key.length + 4 // after the key, its type
  const unused = 3 // the byte token of NUL
  bytes.writeUInt32LE(unused, value)
  // llama.cpp takes a token of that text for an end, whatever the header says.
  const text = bytes.indexOf(Buffer.from("\x04\0\0\0\0\0\0\0</s>", "latin1"))
  bytes.write("</z>", text + 8, "latin1")
  await Fs.writeFile(path, bytes)
}
