import { defineConfig } from "vitest/config"

/** Files that have processes of their own: `it.layer` changes the `it` that all files of a process share. */
const alone = ["test/layers/EngineLlamaCpp.test.ts", "test/layers/http/Edge.test.ts"]

export default defineConfig({
  test: {
    environment: "node",
    // Tests start processes, send signals and load native modules, which threads do not keep apart.
    pool: "forks",
    // Most of them wait for something, so that two at a time do no harm on two cores, beside the scenarios.
    // Loading Effect anew for each file would take more time than most files' tests.
    poolOptions: { forks: { minForks: 2, maxForks: 2, isolate: false } },
    globals: false,
    testTimeout: 20_000,
    hookTimeout: 20_000,
    teardownTimeout: 20_000,
    // Projects do not share processes.
    projects: [
      { extends: true, test: { name: "all", include: ["test/**/*.test.ts"], exclude: alone } },
      ...alone.map((file) => ({ extends: true as const, test: { name: file, include: [file] } }))
    ]
  }
})
