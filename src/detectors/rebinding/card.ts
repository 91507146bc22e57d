import type { DetectorCard } from '../contract.ts';

export const card: DetectorCard = {
  name: 'rebinding',
  plane: 'dns',
  family: 'dns-rebinding',
  behaviour:
    'A name of the outside is answered with an address of the outside and soon after, or in the same answer, with one of the inside: a page from there may then speak to devices here.',
  takes: ['dns'],
  scope: 'client',
  techniques: ['T1189', 'T1557'],
  cannotSee: [
    'a name whose first, public answer went over encrypted DNS or before the capture',
    'an inside IPv6 address beside an outside IPv4 one: public names have those in ordinary life',
    'a page that waits longer than an hour before its name turns inward',
    'a public address of the city that only its firewall protects, unless city.yaml names an asset there',
    'whether the browser did speak to the device: look for the flow',
  ],
  innocentCauses: [
    'one resolver that serves inside answers to a site’s own public names: list the zone in city.yaml under dns.protected or dns.allow',
    'a dynamic-DNS entry that a router registers now with its outside, now with its inside address',
    'a log-in portal or a filter that puts its own address into every answer',
    'public records that carry an inside address beside the outside one by mistake',
  ],
  firstSteps: [
    'Ask who owns the name and look at both answers and their lifetimes.',
    'Look for a flow from the client to the inside address within the lifetime of the answer.',
    'Have the resolvers drop inside addresses from outside answers (rebind protection), and refuse the name.',
  ],
  memoryBound:
    '65,536 client-name pairs with an outside answer in 3.4 MiB, 4,096 clients in 0.2 MiB, a filter of answers of 0.3 MiB, 1,024 suspects of at most 2 KiB',
};
