/** One cycle: load, a kill in the middle of it, what a user would do next, and everything checked once it has settled. */
import { setTimeout as delay } from "node:timers/promises"
import { processesOf, type RbeeProcess } from "../../features/support/processes.js"
import type { Chance } from "./chance.js"
import { problemsOfPasses, problemsOfStays, workerIdOf } from "./checks.js"
import { Command, type Progress, type Request, Stream } from "./requests.js"
import { kill, runRbee, type Site, type World } from "./site.js"

/** Whom to kill. A keeper is any command, those that queens run among them. */
export type Role = "keeper" | "queen" | "hive" | "worker"

/** What a cycle is about. */
export interface Plan {
  readonly site: Site["name"]
  readonly role: Role
}

/** What came of a cycle. */
export interface Result {
  readonly plan: Plan
  /** Null where nothing was left to be killed. */
  readonly victim: RbeeProcess | null
  /** What the request that set the moment was doing. */
  readonly moment: string
  /** From the kill until the next command had its answer. Null where there was no such command. */
  readonly served_ms: number | null
  /** From the end of the last request until everything held. */
  readonly settled_ms: number
  /** What each request came to. */
  readonly outcomes: ReadonlyArray<string>
  readonly violations: ReadonlyArray<string>
}

/** None for what is not rbee itself, such as a test process of the engine's. */
const roleOf = ({ role, command }: RbeeProcess): Role | null =>
  role !== "other" ? role : /rbee\.js /.test(command) ? "keeper" : null

/** A pool whose keeper was killed is gone within 10 s, others with their lease: all of it with room for a busy machine. */
const settled_within_ms = 45_000

/** The same where nothing but a keeper was killed: twice what is promised. */
const keeperless_ms = 20_000

/** Runs one. */
export const runCycle = async (world: World, chance: Chance, plan: Plan): Promise<Result> => {
  const site = world[plan.site]
  const requests = plan.site === "stays" ? loadOfStays(world, chance) : loadOfPasses(world, chance)
  const aim = chance.pick(requests)
  // A cold start tells of some twenty steps before the first token.
  const events = chance.next() < 0.5 ? chance.between(0, 24) : chance.between(25, 400)
  await aim?.reaches(events)
  await delay(chance.between(0, 40))
  const victim = await choose(site, plan.role, chance, requests)
  const before = requests.map(({ progress }) => progress)
  const killed_ms = performance.now()
  if (victim !== null) kill(victim)
  const since = () => Math.round(performance.now() - killed_ms)

  const violations: Array<string> = []
  let served_ms: number | null = null
  if (plan.site === "stays") {
    if (victim?.role === "queen") {
      await delay(chance.between(0, 300))
      const started = await runRbee(site, ["queen", "start"])
      if (started.code !== 0) violations.push(`rbee queen start failed: ${started.stderr}`)
    }
    violations.push(...(await ask(site)))
    served_ms = since()
  }
  await Promise.all(requests.map(({ ended }) => ended))
  for (const [at, request] of requests.entries()) violations.push(...judge(request, before[at], victim))

  const over_ms = performance.now()
  const left = await settle(() => (plan.site === "stays" ? problemsOfStays(world) : problemsOfPasses(world, false)))
  const settled_ms = Math.round(performance.now() - over_ms)
  violations.push(...left)
  if (plan.site === "passes" && victim?.role === "other" && settled_ms > keeperless_ms)
    violations.push(`a pool outlived its keeper by ${settled_ms} ms`)
  if (plan.site === "passes") {
    // What was killed could not tidy up after itself: the next command does.
    const dirty = await problemsOfPasses(world, true)
    if (left.length === 0 && dirty.length > 0) {
      violations.push(...(await ask(site)), ...(await settle(() => problemsOfPasses(world, true))))
      served_ms = since()
    }
  }
  return {
    ...{ plan, victim, served_ms, settled_ms, violations },
    moment: `${aim?.events.length ?? 0} events of ${aim?.what}`,
    outcomes: requests.map((request) => (request.pid === victim?.pid ? "killed" : request.outcome))
  }
}

/** Commands and streams at the queen that stays, on two workers. */
const loadOfStays = (world: World, chance: Chance): ReadonlyArray<Request> =>
  Array.from({ length: chance.between(1, 4) }, () => {
    const model = chance.next() < 0.7 ? world.endless : "demo"
    const kind = chance.next() < 0.5 ? Command : Stream
    return new kind(world.stays, model, chance.between(50, 900), chance.between(0, 1000))
  })

/** One command or two, each with a queen of its own; two share a hive. */
const loadOfPasses = (world: World, chance: Chance): ReadonlyArray<Request> =>
  Array.from({ length: chance.between(1, 2) }, () => {
    const model = chance.next() < 0.7 ? world.endless : "demo"
    return new Command(world.passes, model, chance.between(50, 900), chance.between(0, 1000))
  })

/** A process of that role as soon as there is one; of any role once the load is over. */
const choose = async (site: Site, role: Role, chance: Chance, requests: ReadonlyArray<Request>) => {
  for (;;) {
    const over = requests.every((request) => request.over)
    const running = (await processesOf([site.home])).filter((one) => roleOf(one) !== null)
    const wanted = running.filter((one) => roleOf(one) === role)
    const from = wanted.length > 0 ? wanted : over ? running : []
    if (from.length > 0 || over) return chance.pick([...from].sort((a, b) => a.pid - b.pid)) ?? null
    await delay(5)
  }
}

/** The next command gets its answer, whatever was killed. */
const ask = async (site: Site): Promise<ReadonlyArray<string>> => {
  const next = new Command(site, "demo", 4, 1)
  await next.ended
  next.judge(false)
  const failed = next.outcome === "end" ? [] : [`the next command failed with ${next.outcome}:\n${next.stderr}`]
  return [...next.problems, ...failed]
}

/**
 * A request that was killed itself owes nothing. Where a keeper was killed, the others do not notice; where a daemon was, whoever
 * had tokens by then, from a worker that lives, gets all of them: losing the control plane never stops a token.
 */
const judge = (request: Request, before: Progress | undefined, victim: RbeeProcess | null): ReadonlyArray<string> => {
  const killed = victim !== null && request.pid === victim.pid
  const hit = victim !== null && victim.role === "worker" && workerIdOf(victim) === request.worker
  if (request instanceof Command) request.judge(killed)
  else if (request instanceof Stream) request.judge(hit || (victim?.role === "queen" && request.worker === null))
  const served = before !== undefined && before.tokens > 0
  const owed = !killed && !hit && (served || victim === null || isBystander(victim))
  if (owed && request.outcome !== "end")
    request.problems.push(`${request.outcome} after ${request.tokens.length} tokens, though nothing of it was killed`)
  return request.problems.map((problem) => `${request.what}: ${problem}`)
}

/** Whether what was killed concerns its own request alone. What queens run (`hive start`) may concern any. */
const isBystander = ({ role, command }: RbeeProcess): boolean => role === "other" && / infer /.test(command)

/** Looks until nothing is wrong any more; what still is when the time is over. */
const settle = async (look: () => Promise<ReadonlyArray<string>>): Promise<ReadonlyArray<string>> => {
  const deadline = performance.now() + settled_within_ms
  for (;;) {
    const problems = await look()
    if (problems.length === 0 || performance.now() > deadline) return problems
    await delay(50)
  }
}
