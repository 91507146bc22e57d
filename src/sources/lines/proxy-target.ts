// Where the request in a log line asks a proxy to go.

/** Host (an IPv6 one in brackets) and port, RFC 3986 3.2. */
const AUTHORITY = /^(?:\[([^\]\s]+)\]|([^:/[\s]+))(?::(\d{1,5}))?(?=[/?#]|$)/;
const ABSOLUTE = /^https?:\/\//i;

export interface ProxyTarget {
  readonly name: string;
  readonly port: number;
}

/**
 * @param target of the request line
 * @returns undefined where it is neither a CONNECT nor in absolute form (RFC 9112 3.2.2, 3.2.3)
 */
export function proxyTarget(method: string, target: string): ProxyTarget | undefined {
  const isConnect = method === 'CONNECT';
  if (!isConnect && !ABSOLUTE.test(target)) return undefined;
  const found = AUTHORITY.exec(isConnect ? target : target.replace(ABSOLUTE, ''));
  if (found === null) return undefined;
  const port = Number(found[3] ?? 0);
  return {
    name: (found[1] ?? found[2]!).toLowerCase(),
    port: port === 0 || port > 65_535 ? (isConnect ? 443 : 80) : port,
  };
}
