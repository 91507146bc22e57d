// Who may talk to the console, by what a browser says of itself. The page has no accounts: these fences keep other web
// sites and other names for this machine out; who sits before the screen is a matter of where it stands.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];

export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), usb=(), payment=()',
};

export class Guard {
  /** Made anew at each start; the page reads it from /api/state, which other origins can't read. */
  readonly token = randomBytes(24).toString('base64url');
  readonly #names: ReadonlySet<string>;

  /** @param names further host names the page may be reached by, beside the loopback ones */
  constructor(names: readonly string[]) {
    this.#names = new Set([...LOOPBACK_NAMES, ...names].map((n) => n.toLowerCase()));
  }

  /** DNS rebinding: a hostile name may resolve to this machine, but the browser still sends that name as Host. */
  hostRefused(request: IncomingMessage): string {
    const host = (request.headers.host ?? '').toLowerCase();
    const name = host.replace(/:\d{1,5}$/, '');
    return this.#names.has(name) ? '' : 'This console does not go by that name.';
  }

  /** Why a request that changes something is refused, or ''. */
  changeRefused(request: IncomingMessage): string {
    const { origin, host } = request.headers;
    const site = request.headers['sec-fetch-site'];
    if (origin !== undefined) {
      if (
        origin.toLowerCase() !== `http://${host ?? ''}`.toLowerCase() &&
        origin.toLowerCase() !== `https://${host ?? ''}`.toLowerCase()
      )
        return 'The request comes from another site.';
    } else if (site !== 'same-origin') return 'The request does not say where it comes from.';
    if (site !== undefined && site !== 'same-origin') return 'The request comes from another site.';
    const told = Buffer.from(String(request.headers['x-parapet-token'] ?? ''));
    const own = Buffer.from(this.token);
    if (told.length !== own.length || !timingSafeEqual(told, own))
      return 'The console was restarted since this page was loaded. Load it again.';
    return '';
  }
}
