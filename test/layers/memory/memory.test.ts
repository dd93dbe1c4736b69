/** What daemons keep in memory keeps its contracts. */
import { PoolWorkersMemory } from "../../../src/layers/memory/PoolWorkersMemory.js"
import { ReadyCallsMemory } from "../../../src/layers/memory/ReadyCallsMemory.js"
import { ReservationsMemory } from "../../../src/layers/memory/ReservationsMemory.js"
import { TrafficMemory } from "../../../src/layers/memory/TrafficMemory.js"
import { workerSelfMemory } from "../../../src/layers/memory/WorkerSelfMemory.js"
import { HiveWorkersMemory } from "../../../src/layers/memory/WorkersMemory.js"
import { poolWorkersContract } from "../../contracts/PoolWorkers.js"
import { readyCallsContract } from "../../contracts/ReadyCalls.js"
import { reservationsContract } from "../../contracts/Reservations.js"
import { trafficContract } from "../../contracts/Traffic.js"
import { hiveWorkersContract } from "../../contracts/WorkerRegistry.js"
import { workerSelfContract } from "../../contracts/WorkerSelf.js"

hiveWorkersContract("HiveWorkersMemory", HiveWorkersMemory)
poolWorkersContract("PoolWorkersMemory", PoolWorkersMemory)
readyCallsContract("ReadyCallsMemory", ReadyCallsMemory)
reservationsContract("ReservationsMemory", ReservationsMemory)
trafficContract("TrafficMemory", TrafficMemory)
workerSelfContract("workerSelfMemory", workerSelfMemory)
