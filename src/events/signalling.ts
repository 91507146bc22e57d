import type { Origin } from './origin.ts';

/**
 * One judged unit of signalling: a MAP operation or a Diameter command, request and answer paired.
 * Owned. Emitted once at the request (`outcome: 'pending'`) and once when the answer, the refusal or the time-out is known.
 * Absent strings are '' and absent numbers -1, so that the shape never varies.
 */
export interface SignallingMessage {
  readonly kind: 'signalling';
  readonly at: number;
  readonly origin: Origin;
  readonly place: number;
  /** Places of the other frames of a segmented request (SCTP or SCCP); absent where it came in one. */
  readonly segments?: readonly number[];
  /** Place and time of the answer, -1 while pending. */
  readonly answerPlace: number;
  readonly answerAt: number;
  readonly protocol: 'map' | 'cap' | 'diameter';
  /** TCAP operation code or Diameter command code; -1 where it could not be decoded. */
  readonly operation: number;
  /** Its name as in TS 29.002 / TS 29.272, e.g. `anyTimeInterrogation`, `Update-Location`. */
  readonly name: string;
  /** TCAP application context OID text or Diameter application id text. */
  readonly context: string;
  /** Transaction key: same for request and answer. */
  readonly dialogue: string;
  /** SCCP calling and called global title digits (or `pc:ssn`), Diameter Origin-Host / Destination-Host. */
  readonly calling: string;
  readonly called: string;
  readonly callingSsn: number;
  readonly calledSsn: number;
  /** Diameter Origin-Realm, Destination-Realm, Visited-PLMN (MCC MNC digits), lower case. */
  readonly originRealm: string;
  readonly destinationRealm: string;
  readonly visitedPlmn: string;
  readonly routeRecords: readonly string[];
  /** Subscriber identities, raw; pseudonymised only where they leave the process. */
  readonly imsi: string;
  readonly msisdn: string;
  /** Serving-node numbers carried in the argument: VLR, MSC, SGSN, MME number or name. */
  readonly servingNode: string;
  readonly apn: string;
  readonly outcome: 'pending' | 'success' | 'refused' | 'no-answer';
  /** MAP error code or Diameter (Experimental-)Result-Code, -1 where none. */
  readonly errorCode: number;
  /** Whether the request asks for a location by a flag of its argument (Diameter IDR-Flags); absent means no. */
  readonly asksLocation?: boolean;
  /** True where the answer carried a cell, a location or a serving node / authentication vectors / an IMSI. */
  readonly gaveLocation: boolean;
  readonly gaveKeys: boolean;
  readonly gaveIdentity: boolean;
  /** Encodings that a firewall could stumble over, or malformed parts, by code (`TCAP_EXTENDED_TAG`, `DIAMETER_AVP_LENGTH`...). */
  readonly oddities: readonly string[];
}
