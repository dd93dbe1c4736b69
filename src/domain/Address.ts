/** Addresses that daemons listen on, and how they are reached there. */

const octet = "(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)"
const loopback_v4 = `127(?:\\.${octet}){3}`
const loopback = new RegExp(`^(?:localhost|(?:::ffff:)?${loopback_v4}|(?:::|(?:0{1,4}:){7})0{0,3}1)$`, "i")
const wildcard_v4 = /^0\.0\.0\.0$/
const wildcard_v6 = /^(?:::|(?:0{1,4}:){7}0{1,4})$/

/**
 * Whether a daemon that listens there is heard on its own machine alone. Only loopback addresses and `localhost` are: what another name
 * stands for is decided elsewhere, and may change.
 */
export const isLoopback = (host: string): boolean => loopback.test(host)

/** `http://host:port`, with the brackets that an IPv6 address wants. */
export const httpUrl = (host: string, port: number): string =>
  host.includes(":") ? `http://[${host}]:${port}` : `http://${host}:${port}`

/** Where a daemon that listens on that host is reached from its own machine. */
export const localUrl = (host: string, port: number): string =>
  httpUrl(wildcard_v4.test(host) ? "127.0.0.1" : wildcard_v6.test(host) ? "::1" : host, port)
