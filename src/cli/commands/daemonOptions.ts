/** The flags with which daemons are started by other parts of rbee. */
import * as Options from "@effect/cli/Options"

/** See {@link DaemonOptions} of the daemons. */
export const daemonOptions = {
  tokenStdin: Options.boolean("token-stdin").pipe(Options.withDescription("the API token is the first line of stdin")),
  attached: Options.boolean("attached").pipe(Options.withDescription("end when stdin closes")),
  readyFd: Options.integer("ready-fd").pipe(
    Options.withDescription('write {"host":…,"port":…} to this descriptor once listening'),
    Options.optional
  )
}

/** Where to listen; left out, the configuration decides. */
export const listenOptions = {
  host: Options.text("host").pipe(Options.withDescription("address to listen on"), Options.optional),
  port: Options.integer("port").pipe(Options.withDescription("port to listen on, 0 for any free one"), Options.optional)
}
