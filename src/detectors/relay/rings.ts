// What a device's flows did lately: those that ended, as totals, and what long ones moved between two rows. Fixed rings; the
// oldest goes.

export const CLOSED_MAX = 96;
export const LONG_MAX = 96;

export class Rings {
  // Flows that ended.
  closedHead = 0;
  closed = 0;
  readonly flow = new Float64Array(CLOSED_MAX);
  readonly peer = new Int32Array(CLOSED_MAX);
  readonly firstAt = new Float64Array(CLOSED_MAX);
  readonly lastAt = new Float64Array(CLOSED_MAX);
  readonly taken = new Float64Array(CLOSED_MAX);
  readonly given = new Float64Array(CLOSED_MAX);
  readonly place = new Float64Array(CLOSED_MAX);
  /** 1 a stranger's flow that the device opened, 2 judged, 4 explained by another flow. */
  readonly mark = new Uint8Array(CLOSED_MAX);
  // Rows of long flows: (fromAt, toAt].
  longHead = 0;
  longRows = 0;
  readonly longFlow = new Float64Array(LONG_MAX);
  readonly longPeer = new Int32Array(LONG_MAX);
  readonly fromAt = new Float64Array(LONG_MAX);
  readonly toAt = new Float64Array(LONG_MAX);
  readonly longTaken = new Float64Array(LONG_MAX);
  readonly longGiven = new Float64Array(LONG_MAX);

  /** @returns the slot, to be filled */
  close(): number {
    const slot = this.closedHead;
    this.closedHead = (slot + 1) % CLOSED_MAX;
    if (this.closed < CLOSED_MAX) this.closed += 1;
    return slot;
  }
  long(): number {
    const slot = this.longHead;
    this.longHead = (slot + 1) % LONG_MAX;
    if (this.longRows < LONG_MAX) this.longRows += 1;
    return slot;
  }
}
