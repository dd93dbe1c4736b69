/** Bundles the programs that are sent to nodes: each one file, which needs nothing there but Node. */
import { rm } from "node:fs/promises"
import { type BuildOptions, build } from "esbuild"

const common: BuildOptions = {
  bundle: true,
  format: "cjs",
  platform: "node",
  minify: true,
  legalComments: "none",
  charset: "ascii" // its length in characters is its length in bytes
}

/** Builds both into that folder. The look comes before one knows which Node is there, so it is understood by old ones. */
export const buildInstaller = async (outdir: string): Promise<void> => {
  await rm(outdir, { recursive: true, force: true })
  await Promise.all([
    build({ ...common, entryPoints: ["src/layers/install/look.ts"], outfile: `${outdir}/look.js`, target: "node8" }),
    build({
      ...common,
      entryPoints: ["src/cli/bin/rbee-installer.ts"],
      outfile: `${outdir}/installer.js`,
      target: "node20",
      keepNames: true
    })
  ])
}
