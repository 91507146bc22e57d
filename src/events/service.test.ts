import { expect, it } from 'vitest';
import { Service, serviceOf } from './index.ts';

it('is what the payload says; by the port where it says nothing, or only what carries it', () => {
  for (const [content, port, protocol, service] of [
    ['Unknown', 22, 6, 'Ssh'],
    ['Unknown', 443, 17, 'Quic'],
    ['Unknown', 4711, 6, 'Unknown'],
    ['Ssh', 3389, 6, 'Ssh'],
    ['Tls', 3389, 6, 'Rdp'],
    ['Http', 5985, 6, 'Winrm'],
    ['Tls', 5986, 6, 'Winrm'],
    ['Tls', 8883, 6, 'Tls'],
    ['Http', 22, 6, 'Http'],
    // Of ICMP the ports are type and code.
    ['Unknown', 22, 1, 'Unknown'],
  ] as const)
    expect(serviceOf(Service[content], port, protocol), `${content} ${port}/${protocol}`).toBe(Service[service]);
});
