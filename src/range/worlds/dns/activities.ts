// The list of all activities by number, and which role has which as a routine.
import { field } from './activities-field.ts';
import { office } from './activities-office.ts';
import { personal } from './activities-personal.ts';
import { servers } from './activities-servers.ts';
import { Act, type Activity } from './acts.ts';
import type { Role } from './clients.ts';
import { type Rhythm, rhythms } from './rhythm.ts';

const { host, shard, visit, userSite, reverse, update, telemetry } = office;
export const activities: readonly Activity[] = [
  host,
  field.headEnd,
  field.time,
  field.firmware,
  field.recorder,
  field.cameraCloud,
  field.relay,
  field.historian,
  field.lights,
  field.fleet,
  field.vehicle,
  shard,
  visit,
  office.directory,
  office.antivirus,
  telemetry,
  office.suffixed,
  office.probe,
  office.discovery,
  update,
  office.typo,
  userSite,
  reverse,
  personal.app,
  personal.check,
  personal.stream,
  personal.advert,
  servers.message,
  servers.blockList,
  servers.policy,
  servers.origin,
  servers.object,
  servers.sweep,
  servers.challenge,
  servers.validate,
  personal.dial,
  personal.carry,
];

export interface Routine {
  readonly act: number;
  readonly seconds: number;
  readonly rhythm: Rhythm;
  /** Regular with jitter, or by chance. */
  readonly regular: boolean;
}
const every = (act: number, seconds: number, rhythm: Rhythm = rhythms.always): Routine => ({
  act,
  seconds,
  rhythm,
  regular: true,
});
const about = (act: number, seconds: number, rhythm: Rhythm = rhythms.always): Routine => ({
  act,
  seconds,
  rhythm,
  regular: false,
});
const hour = 3600;
const day = 86_400;

const officeRoutines: readonly Routine[] = [
  about(Act.visit, 400, rhythms.office),
  about(Act.directory, 1500, rhythms.office),
  about(Act.antivirus, 420, rhythms.office),
  about(Act.telemetry, 900, rhythms.office),
  about(Act.suffixed, 2400, rhythms.office),
  about(Act.probe, 5 * hour, rhythms.office),
  about(Act.discovery, hour, rhythms.office),
  every(Act.update, hour),
  about(Act.typo, 2 * hour, rhythms.office),
  about(Act.userSite, 3000, rhythms.office),
  about(Act.reverse, 2 * hour, rhythms.office),
  every(Act.time, 4 * hour),
];

export const routines: Readonly<Record<Role, readonly Routine[]>> = {
  'smart-meter': [every(Act.headEnd, hour), every(Act.time, day / 2), about(Act.firmware, 7 * day)],
  camera: [
    every(Act.recorder, 1800),
    every(Act.cameraCloud, 1200),
    every(Act.relay, 2 * hour),
    every(Act.time, 6 * hour),
    about(Act.firmware, 3 * day),
  ],
  rtu: [every(Act.historian, hour), every(Act.time, 6 * hour)],
  plc: [every(Act.historian, 2 * hour), every(Act.time, 12 * hour)],
  bus: [
    every(Act.fleet, 300, rhythms.service),
    every(Act.vehicle, 900, rhythms.service),
    about(Act.shard, 400, rhythms.service),
    every(Act.time, 3 * hour),
  ],
  'traffic-light': [every(Act.lights, 1200), every(Act.time, 6 * hour)],
  'office-pc': officeRoutines,
  phone: [
    about(Act.app, 420, rhythms.phone),
    every(Act.check, 1800),
    about(Act.visit, 1500, rhythms.phone),
    about(Act.userSite, 4 * hour, rhythms.phone),
    every(Act.time, 12 * hour),
  ],
  tv: [
    about(Act.stream, 600, rhythms.evening),
    about(Act.advert, 900, rhythms.evening),
    every(Act.telemetry, 1800),
    every(Act.check, hour),
  ],
  'mail-server': [about(Act.message, 240, rhythms.mail), every(Act.time, hour), every(Act.update, 2 * hour)],
  'backup-server': [
    about(Act.object, 240, rhythms.night),
    every(Act.sweep, day),
    every(Act.challenge, day),
    every(Act.update, 6 * hour),
  ],
  'resolver-check': [about(Act.validate, 300), every(Act.time, hour)],
  'roaming-laptop': [about(Act.dial, 6 * hour, rhythms.office), ...officeRoutines.slice(0, 6)],
};
