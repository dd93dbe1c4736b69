/** Who may ask: `Authorization: Bearer <token>`, where the daemon has a token. */
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpApiSecurity from "@effect/platform/HttpApiSecurity"
import { unauthorized } from "./Envelope.js"

/** Refuses requests without the daemon's token. */
export class Auth extends HttpApiMiddleware.Tag<Auth>()("rbee/Auth", {
  failure: unauthorized,
  security: { bearer: HttpApiSecurity.bearer }
}) {}
