/** What the commands that serve a daemon do alike. */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import { SettingsKeyless, SettingsLive } from "../../layers/SettingsLive.js"
import type { Settings } from "../../services/Settings.js"
import type { Reported } from "../exit.js"
import { reportError } from "../keeper.js"

interface DaemonFlags {
  readonly tokenStdin: boolean
  readonly attached: boolean
  readonly readyFd: Option.Option<number>
}

/** The daemon's options from its flags. */
export const daemonOptionsOf = ({ tokenStdin, attached, readyFd }: DaemonFlags) => ({
  token_stdin: tokenStdin,
  attached,
  ready_fd: readyFd
})

/**
 * Runs a daemon on this process's settings; why it could not start or had to end is shown. One that was given a token of its own does not
 * look for the configured one.
 */
export const runDaemon = <E>(
  daemon: Effect.Effect<void, E, Settings>,
  { own_token }: { readonly own_token: boolean }
): Effect.Effect<void, Reported> =>
  daemon.pipe(
    Effect.provide(own_token ? SettingsKeyless : SettingsLive),
    Effect.catchAll(reportError({ telling: "human" }))
  )
