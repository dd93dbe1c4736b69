/** The work of `rbee plan`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TaskPlan } from "../../domain/Plan.js"
import type { PlanFlags } from "../commands/plan.js"
import { runKeeper } from "../keeper.js"
import { planText } from "../render/models.js"
import { toStdout } from "../render/terminal.js"
import { follow, someQueen } from "./nodes.js"
import { readTask } from "./task.js"

/** Shows the plan, and fails as the task would. */
export const run = (flags: PlanFlags) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const task = yield* readTask(flags)
        const { queen, client } = yield* someQueen
        let planned: TaskPlan | null = null
        yield* follow(client.plan(queen, task), (plan) => {
          planned = plan
          return Effect.flatMap(encodePlan(plan), (json) => toStdout(flags.json ? `${json}\n` : planText(plan)))
        })
        return failureOf(planned)
      })
    ).pipe(Effect.flatMap((failure) => (failure === null ? Effect.void : Effect.fail(failure)))),
    { telling: flags.json ? "quiet" : "human", node: flags.node }
  )

const failureOf = (plan: TaskPlan | null) => plan?.spawn?.failure ?? null

const encodePlan = (plan: TaskPlan) => Effect.orDie(Schema.encode(Schema.parseJson(TaskPlan))(plan))
