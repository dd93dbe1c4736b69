import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    // Tests start processes, send signals and load native modules: a process of its own for each file keeps them apart.
    pool: "forks",
    // Most of them wait for something, so that two at a time do no harm on two cores, beside the scenarios.
    poolOptions: { forks: { minForks: 2, maxForks: 2 } },
    globals: false,
    testTimeout: 20_000,
    hookTimeout: 20_000,
    teardownTimeout: 20_000
  }
})
