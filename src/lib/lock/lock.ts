// One process at a time for a file that two must not write. Node has no flock; SQLite's own file lock is one, and the kernel
// takes it away with its process, however that ends, so nothing stale is ever left to clean up.
import { DatabaseSync } from 'node:sqlite';

/**
 * Holds PATH.lock until released, or until this process ends.
 * @param waitMillis how long to wait, blocking, for whoever holds it
 * @returns the release, or undefined where another holds it. Where a lock can't be made at all (no rights, no folder) the
 * release does nothing: what is to be guarded says for itself why it can't be written.
 */
export function holdLock(path: string, waitMillis = 0): (() => void) | undefined {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(`${path}.lock`, { timeout: waitMillis });
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    if (lock?.isOpen) lock.close();
    // SQLITE_BUSY, SQLITE_LOCKED.
    const primary = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
    return primary === 5 || primary === 6 ? undefined : () => {};
  }
  const held = lock;
  return () => {
    if (held.isOpen) held.close();
  };
}
