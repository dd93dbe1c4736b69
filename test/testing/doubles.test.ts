/** The doubles keep the contracts of what they stand for. */
import * as Effect from "effect/Effect"
import { layerDownloadsTest } from "../../src/testing/DownloadsTest.js"
import { LogsTest } from "../../src/testing/LogsTest.js"
import { ModelCatalogTest } from "../../src/testing/ModelCatalogTest.js"
import { NodeRegistryTest } from "../../src/testing/NodeRegistryTest.js"
import { layerPoolWorkersTest } from "../../src/testing/PoolWorkersTest.js"
import { layerReadyCallsTest } from "../../src/testing/ReadyCallsTest.js"
import { ReservationsTest } from "../../src/testing/ReservationsTest.js"
import { layerTrafficTest } from "../../src/testing/TrafficTest.js"
import { layerVersionsTest } from "../../src/testing/VersionsTest.js"
import { layerHiveWorkersTest } from "../../src/testing/WorkerRegistryTest.js"
import { WorkerSelfTest } from "../../src/testing/WorkerSelfTest.js"
import { downloadsContract } from "../contracts/Downloads.js"
import { logsContract } from "../contracts/Logs.js"
import { modelCatalogContract } from "../contracts/ModelCatalog.js"
import { nodeRegistryContract } from "../contracts/NodeRegistry.js"
import { poolWorkersContract } from "../contracts/PoolWorkers.js"
import { readyCallsContract } from "../contracts/ReadyCalls.js"
import { reservationsContract } from "../contracts/Reservations.js"
import { trafficContract } from "../contracts/Traffic.js"
import { versionsContract } from "../contracts/Versions.js"
import { hiveWorkersContract } from "../contracts/WorkerRegistry.js"
import { workerSelfContract } from "../contracts/WorkerSelf.js"

nodeRegistryContract("NodeRegistryTest", NodeRegistryTest.layer())
modelCatalogContract("ModelCatalogTest", ModelCatalogTest.layer())
hiveWorkersContract("HiveWorkersTest", layerHiveWorkersTest())
poolWorkersContract("PoolWorkersTest", layerPoolWorkersTest())
readyCallsContract("ReadyCallsTest", layerReadyCallsTest)
reservationsContract("ReservationsTest", ReservationsTest.layer)
workerSelfContract("WorkerSelfTest", WorkerSelfTest.layer)
downloadsContract("DownloadsTest", layerDownloadsTest)
logsContract("LogsTest", (test) =>
  Effect.flatMap(LogsTest, ({ write }) => test({ write })).pipe(Effect.scoped, Effect.provide(LogsTest.layer()))
)
versionsContract("VersionsTest", layerVersionsTest)
trafficContract("TrafficTest", layerTrafficTest)
