import { describe, expect, it } from 'vitest';
import { type Action, ocsfOf } from '#findings';
import { action, incident, tunnel } from './testing.ts';

describe('OCSF', () => {
  it('says who, what, how bad, how sure and what would be installed', () => {
    expect(ocsfOf(tunnel)).toMatchObject({
      class_uid: 2004,
      type_uid: 200401,
      time: 1_700_000_003_500,
      start_time: 1_700_000_000_000,
      severity_id: 4,
      confidence_score: 97,
      confidence_id: 3,
      is_alert: true,
      finding_info: {
        uid: 'f00d',
        analytic: { uid: 'dns-tunnel' },
        attacks: [
          { technique: { uid: 'T1071' }, sub_technique: { uid: 'T1071.004', name: 'DNS' } },
          { technique: { uid: 'T1572' } },
        ],
      },
      evidences: [{ file: { name: 'one.pcap', path: 'day/one.pcap' }, data: { frame: 7 } }],
      resources: [{ uid: 'meter-1', ip: '10.20.0.1', type: 'smart-meter' }],
      observables: [
        { type: 'Hostname', value: 't.exfil.example' },
        { type: 'IP Address', value: '10.20.0.1' },
        { type: 'asset', value: 'meter-1' },
      ],
      remediation: { desc: 'rpz: t.exfil.example CNAME .' },
      unmapped: { bits: 21.5, tool: 'iodine', leakedBytes: 4096, firstAt: '2023-11-14T22:13:20.000001Z' },
    });
    expect(ocsfOf(incident)).toMatchObject({
      class_uid: 2005,
      finding_info_list: [{ uid: 'f00d', title: 'A tunnel begins.' }],
      unmapped: { response: tunnel.response },
    });
  });

  it('every state of an action has an activity, and what was installed is denied, what was taken back allowed', () => {
    const of = (state: Action['state']): object => ocsfOf({ ...action, state });
    expect(of('proposed')).toMatchObject({ type_uid: 200401, action: 'Observed' });
    expect(of('enforced')).toMatchObject({ type_uid: 200402, action: 'Denied', disposition: 'Blocked' });
    expect(of('undone')).toMatchObject({ type_uid: 200403, action: 'Allowed', disposition: 'Restored' });
    expect(of('enforced')).toMatchObject({
      finding_info: { related_events: [{ uid: 'f00d' }] },
      evidences: [{ name: 'unbound', data: { enforced: true } }],
      unmapped: { by: 'Ada Example', records: tunnel.response },
    });
  });
});
