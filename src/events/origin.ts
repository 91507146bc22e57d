/** Where a batch's rows came from. A row's place in the file is the batch's `place` column. */
export interface Origin {
  readonly file: string;
  /** What the place numbers count: capture frames (from 1), text lines (from 1), or byte offsets. */
  readonly placed: Place;
}
export type Place = 'frame' | 'line' | 'offset';

/** The contract's evidence entry for one row. */
export function evidenceOf(
  origin: Origin,
  place: number,
): { file: string; frame?: number; line?: number; offset?: number } {
  if (origin.placed === 'frame') return { file: origin.file, frame: place };
  if (origin.placed === 'line') return { file: origin.file, line: place };
  return { file: origin.file, offset: place };
}
