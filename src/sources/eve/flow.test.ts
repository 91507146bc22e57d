import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EventBatch, FlowBatch, FlowPhase, FlowState, formatAddress, type Sink } from '#events';
import { Drip } from '../lines/testing.ts';
import { eve } from './index.ts';

const base = {
  timestamp: '2024-07-05T02:00:09.000000+0200',
  flow_id: 1_234_567_890_123,
  src_ip: '10.0.0.1',
  src_port: 40_000,
  dest_ip: '192.0.2.7',
  dest_port: 443,
  proto: 'TCP',
};
const flowEvent = (more: object = {}, tcp: object | undefined = { tcp_flags_ts: '1b', tcp_flags_tc: '1b' }): string =>
  JSON.stringify({
    ...base,
    event_type: 'flow',
    app_proto: 'tls',
    flow: {
      pkts_toserver: 6,
      pkts_toclient: 5,
      bytes_toserver: 6 * 54 + 500,
      bytes_toclient: 5 * 54 + 4000,
      start: '2024-07-05T02:00:00.250001+0200',
      end: '2024-07-05T02:00:03.000000+0200',
      state: 'closed',
    },
    ...(tcp === undefined ? {} : { tcp }),
    ...more,
  });

async function read(...lines: string[]) {
  const rows: Record<string, unknown>[] = [];
  const faults: string[] = [];
  const sink: Sink = {
    emit: (b: EventBatch) => {
      if (!(b instanceof FlowBatch)) return;
      for (let i = 0; i < b.count; i++)
        rows.push({
          from: `${formatAddress(b.addresses, 8 * i)}:${b.originatorPort[i]}`,
          to: `${formatAddress(b.addresses, 8 * i + 4)}:${b.responderPort[i]}`,
          flow: b.flow[i],
          firstAt: b.firstAt[i],
          lastAt: b.lastAt[i],
          phase: b.phase[i],
          state: b.state[i],
          service: b.service[i],
          packets: [b.originatorPackets[i], b.responderPackets[i]],
          ipBytes: [b.originatorIpBytes[i], b.responderIpBytes[i]],
          payload: [b.originatorPayloadBytes[i], b.responderPayloadBytes[i]],
          name: Buffer.from(b.bytes.subarray(b.nameOffset[i]!, b.nameOffset[i]! + b.nameBytes[i]!)).toString('latin1'),
          ja4: Buffer.from(b.bytes.subarray(b.ja4Offset[i]!, b.ja4Offset[i]! + b.ja4Bytes[i]!)).toString('latin1'),
          certificate: Buffer.from(
            b.bytes.subarray(b.certificateOffset[i]!, b.certificateOffset[i]! + b.certificateBytes[i]!),
          ).toString('hex'),
          target: b.targetPort[i],
        });
      b.bytes.fill(0xa5);
    },
    fault: (code) => void faults.push(code),
  };
  const source = eve.open(new Drip(`${lines.join('\n')}\n`, 64), 'eve.json');
  while (await source.pull(Number.POSITIVE_INFINITY, sink));
  source.close();
  return { rows, faults };
}

describe('EVE flow events', () => {
  it('are closed flows, with frames’ octets less the link header', async () => {
    const { rows, faults } = await read(flowEvent());
    expect(faults).toEqual([]);
    expect(rows).toEqual([
      {
        from: '10.0.0.1:40000',
        to: '192.0.2.7:443',
        flow: 1_234_567_890_123,
        firstAt: 1720137600250001,
        lastAt: 1720137603000000,
        phase: FlowPhase.Close,
        state: FlowState.SF,
        service: 1,
        packets: [6, 5],
        ipBytes: [6 * 40 + 500, 5 * 40 + 4000],
        payload: [500, 4000],
        name: '',
        ja4: '',
        certificate: '',
        target: 0,
      },
    ]);
  });

  it('JA4, the certificate’s SHA-256 where the certificate is logged, and what a proxy was asked for', async () => {
    const of = (type: string, own: object): string => JSON.stringify({ ...base, event_type: type, [type]: own });
    const ja4 = 't13d1516h2_8daaf6152771_02713d6af862';
    const { rows } = await read(
      of('tls', { ja4, certificate: Buffer.from('abc').toString('base64'), fingerprint: '00:11' }),
      of('http', { hostname: 'proxy.example', http_method: 'CONNECT', url: 'a.example:993' }),
    );
    expect(rows).toMatchObject([
      // FIPS 180-2, B.1.
      { ja4, certificate: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', target: 0 },
      { name: 'a.example', target: 993, ja4: '' },
    ]);
  });

  it('names of tls, quic and http events are opened rows of the same flow, without counts', async () => {
    const named = (type: string, own: object): string => JSON.stringify({ ...base, event_type: type, [type]: own });
    const { rows, faults } = await read(
      named('tls', { sni: 'A.Example' }),
      named('tls', { version: 'TLS 1.3' }),
      named('quic', { sni: 'q.example' }),
      named('http', { hostname: 'h.example' }),
      flowEvent(),
    );
    expect(faults).toEqual([]);
    expect(rows.map((r) => [r.name, r.service, r.phase, r.payload])).toEqual([
      ['a.example', 1, FlowPhase.Open, [0, 0]],
      ['q.example', 14, FlowPhase.Open, [0, 0]],
      ['h.example', 2, FlowPhase.Open, [0, 0]],
      ['', 1, FlowPhase.Close, [500, 4000]],
    ]);
    expect(new Set(rows.map((r) => r.flow)).size).toBe(1);
  });

  it.each([
    ['2', '0', 'S0'],
    ['2', '14', 'REJ'],
    ['6', '0', 'RSTOS0'],
    ['3', '0', 'SH'],
    ['12', '12', 'S1'],
    ['13', '12', 'S2'],
    ['12', '13', 'S3'],
    ['17', '13', 'RSTO'],
    ['13', '16', 'RSTR'],
    ['18', '18', 'OTH'],
  ] as const)('flags %s and %s are %s', async (up, down, state) => {
    const { rows } = await read(flowEvent({}, { tcp_flags_ts: up, tcp_flags_tc: down }));
    expect(rows[0]!.state).toBe(FlowState[state]);
  });

  it('what lacks its parts is a fault, the rest is read', async () => {
    const { rows, faults } = await read(
      JSON.stringify({ ...base, event_type: 'flow' }),
      flowEvent({ src_ip: 'x' }),
      flowEvent({ proto: 'UDP' }, undefined),
    );
    expect(faults.sort()).toEqual(['EVE_ADDRESS', 'EVE_FIELD']);
    expect(rows).toMatchObject([{ state: FlowState.SF, payload: [6 * 12 + 500, 5 * 12 + 4000] }]);
  });

  it('any values of any fields: no throw, counts within bounds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.object({ maxDepth: 2 }), fc.jsonValue(), async (more, own) => {
        const { rows } = await read(
          flowEvent(more),
          JSON.stringify({ ...base, event_type: 'flow', flow: own, ...more }),
        );
        for (const r of rows)
          for (const n of [...(r.packets as number[]), ...(r.payload as number[])])
            expect(Number.isFinite(n) && n >= 0).toBe(true);
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});
