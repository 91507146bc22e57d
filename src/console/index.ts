export { ensurePage, type PageBuild } from './build.ts';
export { LAYOUT_HEIGHT, LAYOUT_WIDTH, layoutGrid, type Place } from './layout.ts';
export { type Console, type ConsoleOptions, startConsole } from './server.ts';
export type {
  ConsoleEvent,
  ConsoleSource,
  Decision,
  End,
  GridBranch,
  GridBus,
  GridView,
  HeldCommand,
  Outcome,
  Progress,
  Snapshot,
} from './source.ts';
