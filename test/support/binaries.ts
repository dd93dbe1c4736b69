/** Worker binaries for tests, and sources that become one. */
import type { WorkerBinaryEntry } from "../../src/domain/WorkerBinary.js"

/** An entry of the catalog. */
export const binaryEntry = (given: Partial<WorkerBinaryEntry> = {}): WorkerBinaryEntry => ({
  id: "b-1",
  worker_type: "story-worker",
  version: "1.2.3",
  binary_path: "/home/rbee/builds/story-worker/plain/story-worker",
  features: [],
  built_at_unix: 1_700_000_000,
  ...given
})

/** A crate without dependencies, whose one binary tells its version. */
export const crate = (main = `fn main() { println!("story-worker 0.3.1") }`): Readonly<Record<string, string>> => ({
  "Cargo.toml": `[package]
name = "story-worker"
version = "0.3.1"
edition = "2021"

[features]
loud = []
`,
  "Cargo.lock": `version = 3

[[package]]
name = "story-worker"
version = "0.3.1"
`,
  "src/main.rs": main
})

/** A package without dependencies, whose build is that program; it may write `built.js`, which is its bin entry. */
export const npmPackage = (build: string): Readonly<Record<string, string>> => {
  const about = { name: "story-worker", version: "1.2.3" }
  return {
    "package.json": JSON.stringify({
      ...about,
      scripts: { build: "node build.cjs" },
      bin: { "story-worker": "built.js" }
    }),
    "package-lock.json": JSON.stringify({
      ...about,
      lockfileVersion: 3,
      requires: true,
      packages: { "": { ...about, bin: { "story-worker": "built.js" } } }
    }),
    "build.cjs": build
  }
}

/** A build that writes a program, with these permissions. */
export const writing = (program: string, mode = 0o755): string =>
  `require("node:fs").writeFileSync("built.js", ${JSON.stringify(program)}, { mode: ${mode} })\n`

/** A program that tells a version, and does nothing else. */
export const telling = (version: string): string => `#!/usr/bin/env node\nconsole.log("story-worker ${version}")\n`
