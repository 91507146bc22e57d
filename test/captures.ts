// Captures made for tests, byte by byte, sharing nothing with the decoders.

/** Queries that carry base32 data under one zone, each with a TXT answer: a tunnel as plain as they come. */
export function tunnelCapture(queries: number): Buffer {
  const parts: Buffer[] = [header()];
  let state = 1;
  const letter = (): string => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return 'abcdefghijklmnopqrstuvwxyz234567'[(state >>> 16) & 31]!;
  };
  for (let i = 0; i < queries; i++) {
    const label = Array.from({ length: 50 }, letter).join('');
    const question = Buffer.concat([name([label, 't', 'exfil', 'example']), Buffer.from([0, 16, 0, 1])]);
    const query = Buffer.concat([Buffer.from([i >> 8, i & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), question]);
    const text = Buffer.from(Array.from({ length: 60 }, letter).join(''));
    const answer = Buffer.concat([
      Buffer.from([i >> 8, i & 255, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]),
      question,
      Buffer.from([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 1, 0, text.length + 1, text.length]),
      text,
    ]);
    parts.push(frame(1_700_000_000 + i, 0, udp('10.1.2.3', 40000, '10.1.0.53', 53, query)));
    parts.push(frame(1_700_000_000 + i, 20_000, udp('10.1.0.53', 53, '10.1.2.3', 40000, answer)));
  }
  return Buffer.concat(parts);
}

export function header(): Buffer {
  const b = Buffer.alloc(24);
  b.writeUInt32LE(0xa1b2c3d4, 0);
  b.writeUInt16LE(2, 4);
  b.writeUInt16LE(4, 6);
  b.writeUInt32LE(65535, 16);
  b.writeUInt32LE(1, 20);
  return b;
}

export function frame(seconds: number, micros: number, bytes: Buffer): Buffer {
  const b = Buffer.alloc(16);
  b.writeUInt32LE(seconds, 0);
  b.writeUInt32LE(micros, 4);
  b.writeUInt32LE(bytes.length, 8);
  b.writeUInt32LE(bytes.length, 12);
  return Buffer.concat([b, bytes]);
}

export function udp(from: string, fromPort: number, to: string, toPort: number, payload: Buffer): Buffer {
  const ip = (text: string): number[] => text.split('.').map(Number);
  const total = 28 + payload.length;
  return Buffer.concat([
    Buffer.from([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]),
    Buffer.from([0x45, 0, total >> 8, total & 255, 0, 0, 0, 0, 64, 17, 0, 0, ...ip(from), ...ip(to)]),
    Buffer.from([
      fromPort >> 8,
      fromPort & 255,
      toPort >> 8,
      toPort & 255,
      (8 + payload.length) >> 8,
      (8 + payload.length) & 255,
      0,
      0,
    ]),
    payload,
  ]);
}

export function name(labels: readonly string[]): Buffer {
  return Buffer.concat([
    ...labels.map((l) => Buffer.concat([Buffer.from([l.length]), Buffer.from(l)])),
    Buffer.from([0]),
  ]);
}
