// DNS messages (RFC 1035) with compression of the owner name only, EDNS(0) in queries (RFC 6891).

export const DnsType = { A: 1, NS: 2, CNAME: 5, PTR: 12, TXT: 16, AAAA: 28, SRV: 33 } as const;

export interface DnsRecord {
  readonly type: number;
  readonly ttl: number;
  /** Dotted IPv4 for A, a name for CNAME and PTR, text for TXT, `priority weight port target` for SRV. */
  readonly data: string;
}

function nameBytes(name: string, out: number[]): void {
  for (const label of name === '' ? [] : name.split('.')) {
    out.push(label.length);
    for (let i = 0; i < label.length; i++) out.push(label.charCodeAt(i) & 255);
  }
  out.push(0);
}
function u16(out: number[], v: number): void {
  out.push((v >>> 8) & 255, v & 255);
}

export function dnsQuery(id: number, name: string, type: number): Uint8Array {
  const out: number[] = [];
  u16(out, id);
  out.push(1, 0x20, 0, 1, 0, 0, 0, 0, 0, 1);
  nameBytes(name, out);
  u16(out, type);
  u16(out, 1);
  // OPT: root name, type 41, 1232 octets, no flags.
  out.push(0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0);
  return Uint8Array.from(out);
}

export function dnsAnswer(
  id: number,
  name: string,
  type: number,
  rcode: number,
  records: readonly DnsRecord[],
): Uint8Array {
  const out: number[] = [];
  u16(out, id);
  out.push(0x81, 0x80 | rcode, 0, 1, 0, records.length, 0, 0, 0, 0);
  nameBytes(name, out);
  u16(out, type);
  u16(out, 1);
  let owner = 0xc00c;
  for (const r of records) {
    u16(out, owner);
    u16(out, r.type);
    u16(out, 1);
    out.push((r.ttl >>> 24) & 255, (r.ttl >>> 16) & 255, (r.ttl >>> 8) & 255, r.ttl & 255);
    const data = rdata(r);
    u16(out, data.length);
    // A CNAME's target owns the records behind it.
    if (r.type === DnsType.CNAME) owner = 0xc000 | out.length;
    for (const octet of data) out.push(octet);
  }
  return Uint8Array.from(out);
}

function rdata(r: DnsRecord): number[] {
  const out: number[] = [];
  if (r.type === DnsType.A) return r.data.split('.').map(Number);
  if (r.type === DnsType.TXT) {
    for (let o = 0; o < r.data.length || o === 0; o += 255) {
      const part = r.data.slice(o, o + 255);
      out.push(part.length);
      for (let i = 0; i < part.length; i++) out.push(part.charCodeAt(i) & 255);
    }
    return out;
  }
  if (r.type === DnsType.SRV) {
    const [priority = '0', weight = '0', port = '0', target = ''] = r.data.split(' ');
    for (const v of [priority, weight, port]) u16(out, Number(v));
    nameBytes(target, out);
    return out;
  }
  nameBytes(r.data, out);
  return out;
}
