/** This package's version, and which versions of the other parts go with it. */

/** The version in package.json; a test holds the two together. */
export const version = "0.1.0"

/** The semver range of hives and queens that this version works with. */
export const compatible = ">=0.1.0 <0.2.0"
