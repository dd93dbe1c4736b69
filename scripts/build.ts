/**
 * Bundles the command line into dist/bin: one small file a command, what they share in chunks, loaded when it is needed. Beside it the
 * programs that run on their own: what is sent to nodes, and threads.
 */
import { chmod, rm } from "node:fs/promises"
import { build } from "esbuild"
import { externals } from "../src/layers/install/externals.js"
import { buildInstaller } from "./installer.js"

const entries = ["rbee", "rbee-keeper", "queen-rbee", "rbee-hive", "llm-worker-rbee"]
const outdir = "dist/bin"

await rm(outdir, { recursive: true, force: true })
await build({
  entryPoints: entries.map((name) => `src/cli/bin/${name}.ts`),
  outdir,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "none",
  chunkNames: "chunks/[name]-[hash]",
  // Native addons find their binaries relative to themselves.
  external: [...externals],
  // CommonJS packages inside the bundle ask for Node's own modules by require.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);'
  }
})
await Promise.all(entries.map((name) => chmod(`${outdir}/${name}.js`, 0o755)))
await buildInstaller("dist/installer")
await build({
  entryPoints: { hash: "src/layers/hub/hashThread.ts" },
  outdir: "dist/threads",
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  minify: true,
  legalComments: "none"
})
