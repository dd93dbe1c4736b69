/** This very package, as it is put on other machines. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Machine } from "../domain/Install.js"

/** Programs for a node, as JavaScript text that needs nothing but Node. */
export interface NodeScripts {
  /** Tells what the node is like; understood by every Node, however old. */
  readonly look: string
  /** Installs and removes. */
  readonly installer: string
}

/** This package in one file. The same package has the same sha256, which is its identity. */
export interface PackedPackage {
  readonly path: string
  readonly sha256: string
  readonly version: string
  readonly size_bytes: number
  /** What it takes when it is unpacked. */
  readonly unpacked_bytes: number
}

/** Why it could not be packed. */
export interface PackProblem {
  readonly reason: string
}

/** Packs this package with what it needs to run. */
export class Packager extends Context.Tag("rbee/Packager")<
  Packager,
  {
    /** The semver range of Node versions that it runs on, and whether one is in it. */
    readonly node_range: string
    readonly runsOn: (node_version: string) => boolean
    /** What its compiled parts were built for. */
    readonly machine: Machine
    readonly scripts: Effect.Effect<NodeScripts, PackProblem>
    /** Packs it, with the parts for NVIDIA's GPUs or without; the file goes with the scope. */
    readonly pack: (options: { readonly cuda: boolean }) => Effect.Effect<PackedPackage, PackProblem, Scope.Scope>
  }
>() {}
