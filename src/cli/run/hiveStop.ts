/** The work of `rbee hive stop`. */
import { runKeeper } from "../keeper.js"
import { stopDaemon } from "./stopDaemon.js"

/** Stops this machine's hive, and with it its workers. */
export const run = () => runKeeper(stopDaemon("hive"), { telling: "human", keyless: true })
