/** The way to the node's side of an installation: a look at the node, and the installer at work there. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import { InstallFailed } from "../domain/errors/Hive.js"
import type { SshCommandFailed } from "../domain/errors/Ssh.js"
import { type Awaits, type InstallDone, InstallerEvent, InstallRequest, NodeFacts } from "../domain/Install.js"
import type { NodeRecord } from "../domain/Node.js"
import { type Narrator, report } from "../services/Narrator.js"
import { type NodeScripts, Packager } from "../services/Packager.js"
import type { SshSession } from "../services/Ssh.js"

/** A failure that this side finds. */
export const failed = (
  { node_name }: NodeRecord,
  step: string,
  reason: string,
  more: { readonly log_lines?: ReadonlyArray<string>; readonly suggestion?: string } = {}
): InstallFailed =>
  new InstallFailed({
    node: node_name,
    step,
    reason,
    log_lines: more.log_lines ?? [],
    suggestion: more.suggestion ?? null
  })

const lines_kept = 20

const lastLines = (text: string): ReadonlyArray<string> => text.trim().split("\n").slice(-lines_kept)

/** What a shell says of a command that is not there, or may not be run. */
const notFound: ReadonlySet<number> = new Set([126, 127])

const readFacts = Schema.decodeUnknownOption(Schema.parseJson(NodeFacts))

/** The programs for the node. */
const scriptsFor = (node: NodeRecord): Effect.Effect<NodeScripts, InstallFailed, Packager> =>
  Effect.flatMap(Packager, ({ scripts }) =>
    Effect.mapError(scripts, ({ reason }) => failed(node, "reading the installer", reason))
  )

/** Looks at the node, changes nothing there, and refuses one whose Node cannot run us. */
export const lookAt: (
  node: NodeRecord,
  session: SshSession
) => Effect.Effect<NodeFacts, SshCommandFailed | InstallFailed, Packager> = Effect.fnUntraced(
  function* (node, session) {
    const { look } = yield* scriptsFor(node)
    const { node_range, runsOn } = yield* Packager
    const answer = yield* session.exec(["node", "-", node.install_path], { stdin: Redacted.make(look) })
    const wanted = `Install Node ${node_range} there, so that 'ssh ${node.ssh_user}@${node.ssh_host} node --version' answers`
    if (notFound.has(answer.exit_code)) {
      return yield* failed(node, "preflight", "there is no Node on the PATH of non-interactive shells", {
        log_lines: lastLines(answer.stderr),
        suggestion: `${wanted}: a version manager's Node needs a link, such as /usr/local/bin/node.`
      })
    }
    const facts = readFacts(answer.stdout)
    if (Option.isNone(facts)) {
      return yield* failed(node, "preflight", `a look at the node failed with exit code ${answer.exit_code}`, {
        log_lines: lastLines(answer.stderr)
      })
    }
    const { node_version } = facts.value
    if (!runsOn(node_version)) {
      const reason = `its Node is ${node_version}, rbee needs ${node_range}`
      return yield* failed(node, "preflight", reason, { suggestion: `${wanted}.` })
    }
    return facts.value
  }
)

/**
 * Reads a program of that many bytes from standard input and runs it; what follows there is for the program. So nothing has to
 * be written to the node before there is somebody who will remove it.
 */
const boot = [
  'const f=require("fs"),n=+process.argv[1],b=Buffer.alloc(n);',
  'for(let o=0;o<n;){try{const r=f.readSync(0,b,o,n-o);if(r===0)process.exit(1);o+=r}catch(e){if(e.code!=="EAGAIN")throw e}}',
  'const M=require("module"),m=new M("rbee-installer");m.paths=[];m._compile(b.toString(),"rbee-installer.js")'
].join("")

/** Slow machines build for an hour, slow links upload for one. */
const within = Duration.hours(3)

const readEvent = Schema.decodeUnknownOption(Schema.parseJson(InstallerEvent))
const writeRequest = Schema.encode(Schema.parseJson(InstallRequest))

/**
 * Runs the installer on the node. It lives as long as we hold its standard input: when we are gone, it stops what it runs,
 * removes what it made, and leaves what was there. `provide` gives it what it waits for.
 */
export const runInstaller: <E, R>(
  node: NodeRecord,
  session: SshSession,
  request: InstallRequest,
  provide: (awaited: Awaits) => Effect.Effect<void, E, R>
) => Effect.Effect<InstallDone, SshCommandFailed | InstallFailed | E, Packager | Narrator | R> = Effect.fnUntraced(
  function* <E, R>(
    node: NodeRecord,
    session: SshSession,
    request: InstallRequest,
    provide: (awaited: Awaits) => Effect.Effect<void, E, R>
  ) {
    const { installer } = yield* scriptsFor(node)
    const asked = yield* Effect.orDie(writeRequest(request))
    const narrator = yield* Effect.context<Narrator>()
    const awaited = yield* Queue.unbounded<Awaits>()
    const outcome = yield* Ref.make<Effect.Effect<InstallDone, InstallFailed> | null>(null)
    const words = yield* Ref.make<ReadonlyArray<string>>([])

    const onLine = (line: string) =>
      Option.match(readEvent(line), {
        onNone: () => Ref.update(words, (all) => [...all, line].slice(-lines_kept)),
        onSome: (event) => {
          switch (event.type) {
            case "narration":
              return Effect.provide(report(event), narrator)
            case "awaits":
              return Effect.asVoid(Queue.offer(awaited, event))
            case "done":
              return Ref.set(outcome, Effect.succeed(event))
            case "failed":
              return Ref.set(outcome, event.error)
          }
        }
      })

    const command = ["node", "-e", boot, `${installer.length}`]
    const stdin = Redacted.make(`${installer}${asked}\n`)
    const running = session.exec(command, { stdin, hold_stdin: true, within, onLine })
    const providing = Effect.forever(Effect.flatMap(Queue.take(awaited), provide))
    const { exit_code } = yield* Effect.raceFirst(running, providing)
    const told = yield* Ref.get(outcome)
    if (told !== null) return yield* told
    return yield* failed(node, "the installer", `it ended with exit code ${exit_code} and no answer`, {
      log_lines: yield* Ref.get(words)
    })
  }
)
