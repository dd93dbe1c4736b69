/** A program of its own: logs `COUNT` numbered lines on stderr, which is the log at `PATH`, rotated at `BYTES`. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { rotatedLog } from "../../src/layers/logs/rotate.js"

const [path = "", bytes = "", count = ""] = process.argv.slice(2)
const toStderr = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.jsonLogger))

await Effect.forEach(Array.from({ length: Number(count) }).keys(), (n) => Effect.logInfo(`line ${n}`), {
  discard: true
}).pipe(Effect.provide(Layer.merge(toStderr, rotatedLog(path, Number(bytes)))), Effect.runPromise)
