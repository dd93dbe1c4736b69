/** What is printed: a line a kill, and the figures of all of them. */
import type { Result, Role } from "./cycle.js"

const seconds = (ms: number | null): string => (ms === null ? "-" : `${(ms / 1000).toFixed(1)} s`)

/** How often each came. */
const counted = (all: ReadonlyArray<string>): string => {
  const counts = new Map<string, number>()
  for (const one of all) counts.set(one, (counts.get(one) ?? 0) + 1)
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([one, count]) => `${count} ${one}`)
    .join(", ")
}

/** One kill. */
export const lineOf = (number: number, { plan, victim, moment, served_ms, settled_ms, outcomes }: Result): string => {
  const who = victim === null ? "nobody left" : `${victim.role === "other" ? "keeper" : victim.role} ${victim.pid}`
  return [
    `${number}`.padStart(3),
    plan.site.padEnd(6),
    who.padEnd(14),
    `served ${seconds(served_ms).padStart(6)}, settled ${seconds(settled_ms).padStart(6)}`,
    `${counted(outcomes)}  after ${moment}`
  ].join("  ")
}

/** The value below which that share of them lies. */
const percentile = (values: ReadonlyArray<number>, share: number): number | null =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? null

/** All kills, by role and pool: how long until the next command was served, and from the last request's end until everything held. `atEnd`: what was wrong then. */
export const summaryOf = (results: ReadonlyArray<Result>, atEnd: ReadonlyArray<string>): string => {
  const roles: ReadonlyArray<Role> = ["keeper", "queen", "hive", "worker"]
  const rows = (["stays", "passes"] as const).flatMap((site) =>
    roles.map((role) => {
      const own = results.filter(
        ({ plan, victim }) =>
          plan.site === site && victim !== null && (victim.role === "other" ? "keeper" : victim.role) === role
      )
      const served = own.flatMap(({ served_ms }) => served_ms ?? [])
      const settled = own.map(({ settled_ms }) => settled_ms)
      const times = [
        percentile(served, 0.5),
        percentile(served, 0.99),
        percentile(settled, 0.5),
        percentile(settled, 0.99)
      ]
      return [site, role, `${own.length}`, ...times.map(seconds)]
    })
  )
  const head = ["pool", "killed", "times", "served p50", "p99", "settled p50", "p99"]
  const table = [head, ...rows].map((row) =>
    row.map((cell, at) => (at < 2 ? cell.padEnd(7) : cell.padStart(12))).join("")
  )
  const violations = [...results.flatMap((result) => result.violations), ...atEnd]
  const outcomes = results.flatMap((result) => result.outcomes)
  return [
    ...table,
    `requests ${outcomes.length}: ${counted(outcomes)}`,
    `kills ${results.filter(({ victim }) => victim !== null).length}`,
    `violations ${violations.length}`
  ].join("\n")
}
