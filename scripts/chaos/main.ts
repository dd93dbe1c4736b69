/**
 * Kills keepers, queens, hives and workers with SIGKILL at random moments under load, and checks after each that nothing is left
 * behind and every request has ended as it should. `npm run chaos -- [--kills 200] [--seed N] [--minutes 60] [--keep]`
 */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import { Chance } from "./chance.js"
import { type Plan, type Result, type Role, runCycle } from "./cycle.js"
import { lineOf, summaryOf } from "./report.js"
import { closeWorld, endAll, openWorld, runRbee, type Site, type World } from "./site.js"

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    seed: { type: "string", default: `${Math.floor(Math.random() * 1_000_000)}` },
    minutes: { type: "string", default: "60" },
    keep: { type: "boolean", default: false }
  }
})
const [kills, seed, minutes] = [Number(values.kills), Number(values.seed), Number(values.minutes)]
if (![kills, seed, minutes].every((number) => Number.isInteger(number) && number >= 0)) {
  console.error("--kills, --seed and --minutes take whole numbers")
  process.exit(2)
}

const roles: ReadonlyArray<Role> = ["worker", "hive", "queen", "keeper"]
/** More of what stays: it is what a pool is, and quicker. */
const plans: ReadonlyArray<Plan> = [
  ...roles.map((role) => ({ site: "stays", role }) as const),
  ...roles.map((role) => ({ site: "stays", role }) as const),
  ...roles.map((role) => ({ site: "passes", role }) as const)
]

/** How many things may go wrong before it is not worth going on. */
const violations_max = 5

/** The pool that stays, anew: after something went wrong the next cycle is not to suffer from it. */
const reset = async ({ stays, passes }: World) => {
  await endAll([stays.home, passes.home])
  for (const { home } of [stays, passes]) await Fs.rm(Path.join(home, "run"), { recursive: true, force: true })
  await begin(stays)
}

const begin = async (site: Site) => {
  const { code, stderr } = await runRbee(site, ["queen", "start"])
  if (code !== 0) throw new Error(`rbee queen start failed: ${stderr}`)
}

/** The last lines of every log, for whoever looks into a violation. */
const logsOf = async ({ home }: Site): Promise<string> => {
  const folder = Path.join(home, "logs")
  const names = await Fs.readdir(folder).catch(() => [])
  const recent = await Promise.all(
    names.map(async (name) => ({ name, at: (await Fs.stat(Path.join(folder, name))).mtimeMs }))
  )
  const last = recent.sort((a, b) => b.at - a.at).slice(0, 4)
  const texts = last.map(async ({ name }) => {
    const lines = (await Fs.readFile(Path.join(folder, name), "utf8")).trimEnd().split("\n")
    return [`--- ${name}`, ...lines.slice(-25)].join("\n")
  })
  return (await Promise.all(texts)).join("\n")
}

/** At the end of all: the databases are whole, the pool that stays goes when it is told to, and leaves nothing. */
const finish = async ({ stays, passes }: World): Promise<ReadonlyArray<string>> => {
  const stop = await runRbee(stays, ["queen", "stop"])
  const checks = await Promise.all([stays, passes].map((site) => runRbee(site, ["catalog", "check", "--json"])))
  const left = await Fs.readdir(Path.join(stays.home, "run"))
  return [
    ...(stop.code === 0 ? [] : [`rbee queen stop failed: ${stop.stderr}`]),
    ...checks.flatMap(({ code, stdout }) => (code === 0 ? [] : [`rbee catalog check: ${stdout}`])),
    ...left.map((name) => `left behind at the end: run/${name}`)
  ]
}

/** A cycle in which everything had ended by the chosen moment is none. */
const killed = (some: ReadonlyArray<Result>): number => some.filter(({ victim }) => victim !== null).length

console.log(`seed ${seed}, ${kills} kills`)
const chance = new Chance(seed)
const world = await openWorld()
const began_ms = performance.now()
const results: Array<Result> = []
let interrupted = false

const close = async () => (values.keep ? endAll([world.stays.home, world.passes.home]) : closeWorld(world))
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    interrupted = true
    void close().finally(() => process.exit(130))
  })
}

try {
  await begin(world.stays)
  let bag: ReadonlyArray<Plan> = []
  while (killed(results) < kills && performance.now() - began_ms < minutes * 60_000) {
    if (bag.length === 0) bag = chance.shuffled(plans)
    const [plan, ...rest] = bag
    bag = rest
    if (plan === undefined) break
    const result = await runCycle(world, chance, plan)
    results.push(result)
    console.log(lineOf(results.length, result))
    if (result.violations.length > 0) {
      console.log(result.violations.map((problem) => `    VIOLATION ${problem}`).join("\n"))
      console.log(await logsOf(world[plan.site]))
      await reset(world)
    }
    if (results.flatMap(({ violations }) => violations).length >= violations_max) break
  }
  const atEnd = await finish(world)
  for (const problem of atEnd) console.log(`    VIOLATION ${problem}`)
  console.log(summaryOf(results, atEnd))
  const violated = atEnd.length + results.flatMap(({ violations }) => violations).length
  if (killed(results) < kills) console.log(`stopped after ${killed(results)} of ${kills} kills`)
  if (violated > 0) console.log(`repeat it: npm run chaos -- --seed ${seed} --kills ${kills}`)
  if (violated > 0 || killed(results) < kills) process.exitCode = 1
} catch (error) {
  if (!interrupted) console.error(error)
  process.exitCode = 1
} finally {
  if (values.keep) console.log(`kept: ${world.folder}`)
  await close()
}
