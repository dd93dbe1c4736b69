import { VersionsSemver } from "../../src/layers/VersionsSemver.js"
import { versionsContract } from "../contracts/Versions.js"

versionsContract("VersionsSemver", VersionsSemver)
