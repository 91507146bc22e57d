// Operation codes (3GPP TS 29.002, 17.5 and older phases) and where their arguments and results hold what detectors ask.
// MAP itself is in the ASN.1 modules MAP-*-DataTypes; tags below are theirs.

const names: Readonly<Record<number, string>> = {
  2: 'updateLocation',
  3: 'cancelLocation',
  4: 'provideRoamingNumber',
  5: 'noteSubscriberDataModified',
  6: 'resumeCallHandling',
  7: 'insertSubscriberData',
  8: 'deleteSubscriberData',
  9: 'sendParameters',
  10: 'registerSS',
  11: 'eraseSS',
  12: 'activateSS',
  13: 'deactivateSS',
  14: 'interrogateSS',
  15: 'authenticationFailureReport',
  16: 'notifySS',
  17: 'registerPassword',
  18: 'getPassword',
  19: 'processUnstructuredSS-Data',
  20: 'releaseResources',
  21: 'mt-ForwardSM-VGCS',
  22: 'sendRoutingInfo',
  23: 'updateGprsLocation',
  24: 'sendRoutingInfoForGprs',
  25: 'failureReport',
  26: 'noteMsPresentForGprs',
  28: 'performHandover',
  29: 'sendEndSignal',
  30: 'performSubsequentHandover',
  31: 'provideSIWFSNumber',
  32: 'sIWFSSignallingModify',
  33: 'processAccessSignalling',
  34: 'forwardAccessSignalling',
  35: 'noteInternalHandover',
  36: 'cancelVcsgLocation',
  37: 'reset',
  38: 'forwardCheckSS-Indication',
  39: 'prepareGroupCall',
  40: 'sendGroupCallEndSignal',
  41: 'processGroupCallSignalling',
  42: 'forwardGroupCallSignalling',
  43: 'checkIMEI',
  44: 'mt-ForwardSM',
  45: 'sendRoutingInfoForSM',
  46: 'mo-ForwardSM',
  47: 'reportSM-DeliveryStatus',
  48: 'noteSubscriberPresent',
  49: 'alertServiceCentreWithoutResult',
  50: 'activateTraceMode',
  51: 'deactivateTraceMode',
  52: 'traceSubscriberActivity',
  53: 'updateVcsgLocation',
  54: 'beginSubscriberActivity',
  55: 'sendIdentification',
  56: 'sendAuthenticationInfo',
  57: 'restoreData',
  58: 'sendIMSI',
  59: 'processUnstructuredSS-Request',
  60: 'unstructuredSS-Request',
  61: 'unstructuredSS-Notify',
  62: 'anyTimeSubscriptionInterrogation',
  63: 'informServiceCentre',
  64: 'alertServiceCentre',
  65: 'anyTimeModification',
  66: 'readyForSM',
  67: 'purgeMS',
  68: 'prepareHandover',
  69: 'prepareSubsequentHandover',
  70: 'provideSubscriberInfo',
  71: 'anyTimeInterrogation',
  72: 'ss-InvocationNotification',
  73: 'setReportingState',
  74: 'statusReport',
  75: 'remoteUserFree',
  76: 'registerCC-Entry',
  77: 'eraseCC-Entry',
  78: 'secureTransportClass1',
  79: 'secureTransportClass2',
  80: 'secureTransportClass3',
  81: 'secureTransportClass4',
  83: 'provideSubscriberLocation',
  84: 'sendGroupCallInfo',
  85: 'sendRoutingInfoForLCS',
  86: 'subscriberLocationReport',
  87: 'ist-Alert',
  88: 'ist-Command',
  89: 'noteMM-Event',
  109: 'lcs-PeriodicTriggeredInvoke',
  110: 'lcs-PeriodicLocationCancellation',
  111: 'lcs-LocationUpdate',
};

const capNames: Readonly<Record<number, string>> = {
  0: 'initialDP',
  20: 'connect',
  22: 'releaseCall',
  23: 'requestReportBCSMEvent',
  24: 'eventReportBCSM',
  31: 'continue',
  35: 'applyCharging',
  36: 'applyChargingReport',
  60: 'initialDPSMS',
  78: 'initialDPGPRS',
};

/** Name as in TS 29.002; `operation 123` where there is none. */
export function mapOperationName(code: number): string {
  return names[code] ?? `operation ${code}`;
}
export function capOperationName(code: number): string {
  return capNames[code] ?? `operation ${code}`;
}

/** What a field of an argument is. `identity` is SubscriberIdentity or SM-RP-DA: IMSI [0] or MSISDN [1]. */
export type FieldKind = 'imsi' | 'msisdn' | 'identity' | 'node' | 'profile' | 'imsi-list';

export interface ArgumentShape {
  /** By number of a context tag. */
  readonly context?: Readonly<Record<number, FieldKind>>;
  /** OCTET STRINGs of the SEQUENCE in their order. */
  readonly octets?: readonly (FieldKind | '')[];
  /** An argument that is one OCTET STRING (phase 1 and 2). */
  readonly alone?: FieldKind;
}

export const argumentShapes: Readonly<Record<number, ArgumentShape>> = {
  2: { octets: ['imsi', 'node'], context: { 1: 'node' } },
  3: { octets: ['imsi'], alone: 'imsi', context: {} },
  4: { context: { 0: 'imsi', 1: 'node' } },
  5: { context: { 0: 'imsi' }, octets: ['imsi'] },
  7: { context: { 0: 'imsi', 1: 'msisdn', 16: 'profile' } },
  8: { context: { 0: 'imsi' } },
  15: { octets: ['imsi'] },
  17: {},
  22: { context: { 0: 'msisdn', 6: 'node' }, alone: 'msisdn' },
  23: { octets: ['imsi', 'node'] },
  24: { context: { 0: 'imsi', 2: 'node' } },
  44: { context: { 0: 'imsi', 1: 'msisdn' } },
  45: { context: { 0: 'msisdn', 2: 'node' } },
  46: { context: { 0: 'imsi' } },
  47: { octets: ['msisdn', 'node'] },
  55: { octets: ['', 'node'] },
  56: { context: { 0: 'imsi' }, alone: 'imsi' },
  57: { octets: ['imsi'] },
  58: { alone: 'msisdn' },
  62: { context: { 0: 'identity', 2: 'node' } },
  65: { context: { 0: 'identity', 1: 'node' } },
  66: { context: { 0: 'imsi' } },
  67: { octets: ['imsi'], context: { 0: 'node', 1: 'node' }, alone: 'imsi' },
  70: { context: { 0: 'imsi' } },
  71: { context: { 0: 'identity', 3: 'node' } },
  83: { octets: ['node'], context: { 2: 'imsi', 3: 'msisdn' } },
  85: { context: { 0: 'node', 1: 'identity' } },
  89: { context: { 1: 'imsi' } },
};

/** What a positive answer to an operation gives away. */
export const answers: Readonly<Record<number, { location?: true; keys?: true; identity?: true }>> = {
  4: { location: true },
  22: { location: true, identity: true },
  24: { location: true },
  45: { location: true, identity: true },
  55: { identity: true, keys: true },
  56: { keys: true },
  58: { identity: true },
  70: { location: true },
  71: { location: true },
  83: { location: true },
  85: { location: true },
};

/** Subsystem numbers at which MAP and CAP live (TS 23.003, clause 8): HLR, VLR, MSC, EIR, AuC, CAP, gsmSCF, GMLC, SGSN, GGSN... */
export function isMobileSsn(ssn: number): boolean {
  return (ssn >= 5 && ssn <= 10) || (ssn >= 142 && ssn <= 150);
}
