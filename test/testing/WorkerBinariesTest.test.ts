import { WorkerBinariesTest } from "../../src/testing/WorkerBinariesTest.js"
import { workerBinariesContract } from "../contracts/WorkerBinaries.js"

workerBinariesContract("WorkerBinariesTest", WorkerBinariesTest.layer())
