import { describe, expect, it } from 'vitest';
import { City, CityError, parseCity } from '#city';
import { parseAddress } from '#lib/address';

function words(ip: string): Uint32Array {
  const w = new Uint32Array(4);
  expect(parseAddress(ip, w, 0)).toBe(true);
  return w;
}

describe('city.yaml', () => {
  it('names every wrong field at once, with line, column and remedy', () => {
    let error: CityError | undefined;
    try {
      parseCity('city: 3\nnonsense: 1\nassets:\n  - {id: m, imsi: 123}\nresponse: {mode: attack}\n', 'x.yaml');
    } catch (e) {
      error = e as CityError;
    }
    expect(error).toBeInstanceOf(CityError);
    expect(error!.faults.map((f) => [f.line, f.code])).toEqual(
      expect.arrayContaining([
        [1, 'CITY_FIELD'],
        [4, 'CITY_FIELD'],
        [5, 'CITY_FIELD'],
      ]),
    );
    for (const f of error!.faults) expect(f.remedy.length).toBeGreaterThan(5);
  });

  it('a range that no address can have is a fault with its place, not a stack', () => {
    const text = 'networks:\n  - {name: a, cidr: 999.1.1.1}\nexporters:\n  - {cidr: 10.0.0.0/33, sampling: 1}\n';
    expect(() => parseCity(text, 'c.yaml')).toThrow(
      /c\.yaml:2:\d+ CITY_FIELD: networks\.0\.cidr .*\n.*c\.yaml:4:\d+ CITY_FIELD: exporters\.0\.cidr /,
    );
  });

  it('broken YAML is a fault with its place, not a stack', () => {
    expect(() => parseCity('assets: [\n  {id: a\n', 'x.yaml')).toThrow(/x\.yaml:\d+:\d+ CITY_YAML/);
  });

  it('an empty file is a city of which nothing is known', () => {
    expect(parseCity('', 'x.yaml').assets).toEqual([]);
  });

  it('the example of the contract is accepted', () => {
    const city = parseCity(
      `city: Exampleville
networks: [{name: field, cidr: 10.20.0.0/16, zone: field}]
zones: [{name: field, level: 2}, {name: twin, level: 3}, {name: office, level: 4}]
conduits: [{from: field, to: twin, services: [mqtt-tls]}]
services: {mqtt-tls: tcp/8883}
assets:
  - {id: meter-0042, role: smart-meter, zone: field, ip: 10.20.0.42, imsi: "001010000000042", feeds: [power/bus12/p]}
dns: {resolvers: [10.1.0.53], protected: [exampleville.example], allow: [antivirus.example], signed: [exampleville.example]}
signalling:
  plmn: ["00101"]
  gtPrefixes: ["99970"]
  realms: [epc.mnc001.mcc001.3gppnetwork.org]
  gtpNodes: [192.0.2.2/32]
  apns: [meters.city.example]
  partners: [{plmn: ["20810"], gtPrefixes: ["33689"], realms: [epc.mnc010.mcc208.3gppnetwork.org], gtpNodes: [192.0.2.30/32]}]
twins:
  power: {model: grid/case118.m, readings: power/+/+, commands: "cmd/power/#"}
  water: {model: water/net3.inp}
  transport: {gtfs: gtfs.zip, roads: roads.geojson}
response: {mode: propose, ttl: 4h, never: []}
store: {dir: ./data, keep: 30d}
bus: {nats: ["nats://broker.example"]}
`,
      'city.yaml',
    );
    expect(city.assetByImsi('001010000000042')?.id).toBe('meter-0042');
    expect(city.assetByIp('10.20.0.42')?.id).toBe('meter-0042');
    expect(city.mayTalk('field', 'twin', 'tcp/8883')).toBe(true);
    expect(city.mayTalk('field', 'twin', 'tcp/22')).toBe(false);
    expect(city.mayTalk('twin', 'field', 'tcp/8883')).toBe(false);
  });
});

describe('a city', () => {
  const city = new City(
    {
      networks: [
        { name: 'a', cidr: '203.0.113.0/24' },
        { name: 'b', cidr: '203.0.113.128/25', zone: 'inner' },
        { name: 'six', cidr: '2001:db8::/32' },
      ],
    },
    '.',
  );
  it('knows what is its own: named networks and private ranges', () => {
    for (const ip of [
      '203.0.113.1',
      '10.1.1.1',
      '192.168.3.4',
      '172.31.0.1',
      '100.64.0.1',
      'fe80::1',
      'fd00::1',
      '2001:db8:1::1',
    ])
      expect(city.isOurs(words(ip), 0), ip).toBe(true);
    for (const ip of ['203.0.114.1', '8.8.8.8', '172.32.0.1', '2001:db9::1'])
      expect(city.isOurs(words(ip), 0), ip).toBe(false);
  });
  it('the narrowest range of exporters sets their sampling', () => {
    const plan = parseCity(
      'exporters: [{cidr: 0.0.0.0/0, sampling: 1}, {cidr: 10.1.0.0/24, sampling: 100}]',
      'city.yaml',
    );
    expect(['10.1.0.9', '192.0.2.1', '0.0.0.0', '2001:db8::1'].map((ip) => plan.samplingOf(words(ip), 0))).toEqual([
      100, 1, 1, 0,
    ]);
    expect(() => parseCity('exporters: [{cidr: 10.1.0.9, sampling: 0}]', 'city.yaml')).toThrow(
      /exporters\.0\.sampling/,
    );
  });

  it('the narrowest network names the zone', () => {
    expect(city.zoneOf(words('203.0.113.200'), 0)).toBe('inner');
    expect(city.zoneOf(words('203.0.113.2'), 0)).toBe('a');
    expect(city.zoneOf(words('8.8.8.8'), 0)).toBe('');
  });
});
