// What the processes of `serve` are started with: one JSON argument, made by the supervisor, never by an outsider.
import { CityError } from '#city';
import { FaultError } from '#findings';

export interface Settings {
  /** Path of city.yaml; '' for the default city. */
  readonly city: string;
  /** Folder for state and evidence; '' keeps nothing. */
  readonly store: string;
  /** Inputs to read: files, folders, `live:IFACE`, `dnstap:unix:PATH`, `dnstap:tcp:HOST:PORT`, `netflow:HOST:PORT`, `mqtt://HOST:PORT`. */
  readonly inputs: readonly string[];
  /** Event time against the clock; 0 is as fast as it goes. */
  readonly speed: number;
  /** Event time (microseconds) before which input runs as fast as it goes; 0 for none. */
  readonly fastUntil: number;
  readonly planes: readonly string[];
  /** The page's port on localhost; 0 for any free one, -1 for no page. */
  readonly consolePort: number;
  readonly gateway: boolean;
  /** The gateway tells the time by `advance` messages (a replay through it) instead of the wall clock. */
  readonly eventClock: boolean;
}

/** An interface, a listener or a broker, which has no end and no past to go back to. */
export function isLiveInput(input: string): boolean {
  return /^(live|dnstap|netflow|mqtts?):/.test(input);
}

export function settingsFromArgv(): Settings {
  return JSON.parse(process.argv[2] ?? '{}') as Settings;
}

/** Ends this process when its parent is gone: nothing of the family outlives it for long. */
export function endWithParent(graceMillis: number): void {
  process.on('disconnect', () => setTimeout(() => process.exit(0), graceMillis).unref());
  // Ctrl-C reaches the whole group; the supervisor decides when each ends.
  process.on('SIGINT', () => {});
}

/** A recorded command's judgement may take this long: nobody waits for it, and the hub may be writing a checkpoint. */
export const RECORDED_MILLIS = 30_000;

/** Exit status of a process that can't start with what it was given: starting it again would not help. */
export const CANNOT_START = 78;

/** What was wrong with the configuration is said once, in words; our own mistakes with their stack, and then started again. */
export function endInWords(name: string): void {
  process.on('uncaughtException', (error) => {
    if (error instanceof FaultError || error instanceof CityError) {
      console.error(`parapet ${name}: ${error.message}`);
      process.exit(CANNOT_START);
    }
    // The parent is gone, and with it whoever could be told.
    if ((error as { code?: string }).code === 'BUS_CLOSED') process.exit(0);
    console.error(`parapet ${name}: ${error.stack ?? String(error)}`);
    process.exit(70);
  });
}
