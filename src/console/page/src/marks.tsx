// Marks that carry meaning by shape and word first; colour only repeats it.

const shapes: Readonly<Record<string, string>> = {
  critical: 'M8 1 15 8 8 15 1 8Z',
  high: 'M8 2 15 14H1Z',
  medium: 'M3 3H13V13H3Z',
  low: 'M8 3a5 5 0 1 0 .01 0Z',
  info: 'M3 7H13V9H3Z',
};

export function SeverityMark({ severity }: { severity: string }) {
  return (
    <span class={`severity severity-${severity}`}>
      <svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
        <path d={shapes[severity] ?? shapes.info!} />
      </svg>
      {severity}
    </span>
  );
}

/** A share 0..1 as a bar; hatched where it is below the half that counts as trusted. */
export function Bar({ share, label, low }: { share: number; label: string; low: boolean }) {
  return (
    <span class={low ? 'bar bar-low' : 'bar'} role="img" aria-label={label}>
      <span style={{ width: `${Math.max(0, Math.min(1, share)) * 100}%` }} />
    </span>
  );
}
