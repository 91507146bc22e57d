// The numbers by which timers name activities, and what an activity is.
import type { Client } from './clients.ts';
import type { Site } from './site.ts';

/** Does one thing for a client. @returns whether `site.head` now holds an exchange */
export type Activity = (site: Site, client: Client, a: number, b: number) => boolean;

export const Act = {
  host: 0,
  headEnd: 1,
  time: 2,
  firmware: 3,
  recorder: 4,
  cameraCloud: 5,
  relay: 6,
  historian: 7,
  lights: 8,
  fleet: 9,
  vehicle: 10,
  shard: 11,
  visit: 12,
  directory: 13,
  antivirus: 14,
  telemetry: 15,
  suffixed: 16,
  probe: 17,
  discovery: 18,
  update: 19,
  typo: 20,
  userSite: 21,
  reverse: 22,
  app: 23,
  check: 24,
  stream: 25,
  advert: 26,
  message: 27,
  blockList: 28,
  policy: 29,
  origin: 30,
  object: 31,
  sweep: 32,
  challenge: 33,
  validate: 34,
  dial: 35,
  carry: 36,
} as const;
