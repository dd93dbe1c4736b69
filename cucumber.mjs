/** Scenarios run the built command: `npm run -s build:bin`, then `NODE_OPTIONS="--import tsx" npx cucumber-js`. */
export default {
  paths: ["features/**/*.feature"],
  import: ["features/**/*.ts"],
  tags: "not @todo",
  strict: true,
  parallel: 3,
  publish: false,
  format: ["progress"],
  formatOptions: { snippetInterface: "async-await" }
}
