/** What `rbee install` prints. */
import type { LocalInstallation } from "../../domain/LocalInstall.js"

/** The unit files, each under its path. */
export const unitsText = ({ units }: LocalInstallation): string =>
  units.map(({ path, text }) => `# ${path}\n${text}`).join("\n")

/** The commands that make services of them. */
export const servicesText = ({ commands, scope }: LocalInstallation): string =>
  [
    "",
    "Queens start hives by themselves. To have both run from boot on, or only",
    "one of them, as systemd services:",
    "",
    ...commands.map((command) => `  ${command}`),
    "",
    ...(scope === "user"
      ? ["They stop when you log out, unless you say: loginctl enable-linger", ""]
      : ["As the services see the pool: sudo -iu rbee rbee status", ""]),
    ""
  ].join("\n")
