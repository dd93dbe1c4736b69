/**
 * The first program that runs on a node: prints what the node is like as one line of JSON and changes nothing. Given to
 * `node -` on standard input, with the install path as its argument.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { thisMachine } from "./machine.js"
import { existing, foundAt, locate, markerAt } from "./place.js"

const writable = (folder: string): boolean => {
  try {
    Fs.accessSync(folder, Fs.constants.W_OK | Fs.constants.X_OK)
    return true
  } catch {
    return false
  }
}

const freeBytes = (folder: string): number | null => {
  try {
    const { bavail, bsize } = Fs.statfsSync(folder)
    return bavail * bsize
  } catch {
    return null // a Node without statfs, or a file system without figures
  }
}

const hasProgram = (name: string): boolean =>
  [...(process.env.PATH || "").split(Path.delimiter), "/usr/bin", "/usr/local/bin"].some((folder) =>
    Fs.existsSync(Path.join(folder, name))
  )

const path = locate(process.argv[2] || "")
const folder = existing(Path.dirname(path))
const facts = Object.assign(thisMachine(), {
  node_version: process.versions.node,
  path,
  found: foundAt(path),
  marker: markerAt(path),
  writable: writable(folder),
  free_bytes: freeBytes(folder),
  nvidia: hasProgram("nvidia-smi")
})
process.stdout.write(`${JSON.stringify(facts)}\n`)
