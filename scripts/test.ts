/**
 * What `npm test` runs: builds the command, then the tests and the check, and beside them the scenarios, which take longest. The last line
 * has the counts; the check counts as one.
 */
import { spawn } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** What a suite came to. */
interface Counts {
  readonly passed: number
  readonly failed: number
}

/** Something that is run under a name. */
interface Job {
  readonly name: string
  readonly command: readonly [program: string, ...args: ReadonlyArray<string>]
  readonly env?: Readonly<Record<string, string>>
}

/** One of the suites: how it is run, and how its report is read. */
interface Suite extends Job {
  readonly report: string
  readonly count: (report: string) => Counts
}

/** As far as vitest's JSON report is read. */
interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: ReadonlyArray<{
    readonly status: string
    readonly assertionResults: ReadonlyArray<{ readonly status: string }>
  }>
}

/** As far as cucumber's JSON report is read: features, their scenarios, and the steps of those with all hooks. */
type CucumberReport = ReadonlyArray<{
  readonly elements: ReadonlyArray<{
    readonly type: string
    readonly steps: ReadonlyArray<{ readonly result: { readonly status: string } }>
  }>
}>

/** A file that could not even be loaded has no tests; it counts as one that failed. */
const countTests = (report: string): Counts => {
  const { numPassedTests, numFailedTests, testResults }: VitestReport = JSON.parse(report)
  const broken = testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((assertion) => assertion.status === "failed")
  )
  return { passed: numPassedTests, failed: numFailedTests + broken.length }
}

/** Steps that are undefined or pending make a scenario fail as well. One that skipped itself said why, and does not count. */
const countScenarios = (report: string): Counts => {
  const features: CucumberReport = JSON.parse(report)
  const scenarios = features.flatMap(({ elements }) => elements).filter(({ type }) => type === "scenario")
  const isAll = (status: string) => (scenario: (typeof scenarios)[number]) =>
    scenario.steps.every(({ result }) => result.status === "passed" || result.status === status)
  const passed = scenarios.filter(isAll("passed")).length
  return { passed, failed: scenarios.filter((scenario) => !isAll("skipped")(scenario)).length }
}

/** Runs it with its lines marked by its name; its exit code. */
const run = ({ name, command: [program, ...args], env }: Job): Promise<number> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env }
    })
    for (const output of [child.stdout, child.stderr]) {
      createInterface({ input: output }).on("line", (line) => console.log(`[${name}] ${line}`))
    }
    child.once("error", reject)
    child.once("close", (code) => resolve(code ?? 1))
  })

/** Runs a suite and counts. One that ran nothing, or failed in a way that its report does not show, counts as a failure. */
const judge = async (suite: Suite): Promise<Counts> => {
  const code = await run(suite)
  const report = await readFile(suite.report, "utf8").catch(() => undefined)
  const { passed, failed } = report === undefined ? { passed: 0, failed: 0 } : suite.count(report)
  if (failed > 0) return { passed, failed }
  if (passed === 0) console.log(`[${suite.name}] nothing was run`)
  else if (code !== 0) console.log(`[${suite.name}] ended with exit code ${code}`)
  return { passed, failed: passed === 0 || code !== 0 ? 1 : 0 }
}

/** The formatter and the linter, the types, and the use of Effect: `npm run check`, its parts at the same time. */
const check = async (): Promise<Counts> => {
  const parts = ["check:style", "check:types", "check:effects"]
  const codes = await Promise.all(parts.map((name) => run({ name, command: ["npm", "run", "--silent", name] })))
  return codes.every((code) => code === 0) ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

process.chdir(fileURLToPath(new URL("..", import.meta.url)))
await import("./build.js")

const reports = await mkdtemp(join(tmpdir(), "rbee-reports-"))
try {
  const [tests, scenarios] = [join(reports, "tests.json"), join(reports, "scenarios.json")]
  const testsAndCheck = async () => {
    const ofTests = await judge({
      name: "tests",
      command: [
        process.execPath,
        "node_modules/vitest/vitest.mjs",
        "run",
        ...["--reporter=default", "--reporter=json", `--outputFile.json=${tests}`]
      ],
      report: tests,
      count: countTests
    })
    return [ofTests, await check()]
  }
  const counts = await Promise.all([
    testsAndCheck(),
    judge({
      name: "scenarios",
      command: [process.execPath, "node_modules/@cucumber/cucumber/bin/cucumber.js", "--format", `json:${scenarios}`],
      env: { NODE_OPTIONS: "--import tsx" },
      report: scenarios,
      count: countScenarios
    })
  ])
  const passed = counts.flat().reduce((sum, one) => sum + one.passed, 0)
  const failed = counts.flat().reduce((sum, one) => sum + one.failed, 0)
  console.log(`${passed} passed, ${failed} failed`)
  if (failed > 0) process.exitCode = 1
} finally {
  await rm(reports, { recursive: true, force: true })
}
