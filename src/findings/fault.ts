/** Something in the input that could not be read as it should. Data, not an exception; fields as in the contract. */
export interface Fault {
  readonly kind: 'fault';
  /** Stable upper-case code, e.g. `PCAP_TRUNCATED`; its text stands in docs/faults.md. */
  readonly code: string;
  readonly file: string;
  readonly offset?: number;
  readonly frame?: number;
  readonly line?: number;
  readonly text: string;
  readonly remedy: string;
  /** What was not read. */
  readonly lost: string;
  /** How often it repeated (the first is printed; repeats are counted). */
  readonly count?: number;
}

/** A failure at the door of a room (file, socket, configuration) that carries its fault. */
export class FaultError extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(`${fault.code}: ${fault.text}`);
    this.name = 'FaultError';
    this.fault = fault;
  }
}
