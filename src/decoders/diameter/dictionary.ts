// Commands, applications and AVP codes (RFC 6733; TS 29.272 for S6a, and the neighbours a firewall has to know).

export const Avp = {
  UserName: 1,
  ResultCode: 268,
  OriginHost: 264,
  DestinationRealm: 283,
  DestinationHost: 293,
  OriginRealm: 296,
  RouteRecord: 282,
  ExperimentalResult: 297,
  ExperimentalResultCode: 298,
  SubscriptionId: 443,
  SubscriptionIdType: 450,
  SubscriptionIdData: 444,
  CalledStationId: 30,
  ServiceSelection: 493,
  Msisdn: 701,
  VisitedPlmnId: 1407,
  AuthenticationInfo: 1413,
  IdrFlags: 1490,
  EpsLocationInformation: 1496,
  EpsUserState: 1495,
  ServingNode: 2401,
  LocationEstimate: 1242,
  UserData: 702,
  MmeName: 2402,
} as const;

const commands: Readonly<Record<number, string>> = {
  257: 'Capabilities-Exchange',
  258: 'Re-Auth',
  265: 'AA',
  268: 'Diameter-EAP',
  271: 'Accounting',
  272: 'Credit-Control',
  274: 'Abort-Session',
  275: 'Session-Termination',
  280: 'Device-Watchdog',
  282: 'Disconnect-Peer',
  300: 'User-Authorization',
  301: 'Server-Assignment',
  302: 'Location-Info',
  303: 'Multimedia-Auth',
  304: 'Registration-Termination',
  305: 'Push-Profile',
  306: 'User-Data',
  307: 'Profile-Update',
  308: 'Subscribe-Notifications',
  309: 'Push-Notification',
  316: 'Update-Location',
  317: 'Cancel-Location',
  318: 'Authentication-Information',
  319: 'Insert-Subscriber-Data',
  320: 'Delete-Subscriber-Data',
  321: 'Purge-UE',
  322: 'Reset',
  323: 'Notify',
  324: 'ME-Identity-Check',
  8388620: 'Provide-Location',
  8388621: 'Location-Report',
  8388622: 'LCS-Routing-Info',
  8388645: 'MO-Forward-Short-Message',
  8388646: 'MT-Forward-Short-Message',
  8388647: 'Send-Routing-Info-for-SM',
  8388648: 'Alert-Service-Centre',
  8388649: 'Report-SM-Delivery-Status',
};

export function commandName(code: number): string {
  return commands[code] ?? `command ${code}`;
}

export const RELAY_APPLICATION = 0xffffffff;

/** The application a command belongs to, where it has one only; S6a commands are also those of S6d and SWx's neighbours. */
const applicationOf: Readonly<Record<number, readonly number[]>> = {
  316: [16777251],
  317: [16777251],
  318: [16777251],
  319: [16777251],
  320: [16777251],
  321: [16777251],
  322: [16777251],
  323: [16777251],
  324: [16777252],
  306: [16777217],
  8388620: [16777255],
  8388621: [16777255],
  8388622: [16777291],
  8388647: [16777312],
  8388645: [16777313],
  8388646: [16777313],
};

export function fitsApplication(command: number, application: number): boolean {
  return applicationOf[command]?.includes(application) ?? true;
}

/** AVPs between these codes that TS 29.272 defines: without the vendor bit they are something else to a strict peer. */
export function isS6aAvp(code: number): boolean {
  return code >= 1400 && code <= 1700;
}
