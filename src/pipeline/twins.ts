// The twins that city.yaml names, each behind the hub's Twin.
import type { City } from '#city';
import type { Command } from '#events';
import { FaultError } from '#findings';
import { loadPowerTwin, type PowerTwin, type PowerView } from '#twins/power';
import type { GridPicture, Twin } from './hub.ts';

/** @throws FaultError where a model can't be read: a city without its model must not look like one without commands */
export function twinsOf(city: City): Map<string, Twin> {
  const twins = new Map<string, Twin>();
  const power = loadPowerTwin(city);
  if (power === undefined) return twins;
  if (power.value === undefined) throw new FaultError(power.faults[0]!);
  twins.set('power', withPictures(power.value));
  return twins;
}

/** How many times the load they tell untrusted devices may hide, tried in this order: the least that does harm is shown. */
const HIDDEN_FACTORS = [2, 3, 4] as const;

function withPictures(twin: PowerTwin): Twin {
  return {
    name: twin.name,
    observe: (readings) => twin.observe(readings),
    estimate: (at, trustOf) => twin.estimate(at, trustOf),
    judge: (command, at, trustOf) => twin.judge(command, at, trustOf),
    commandPassed: (command) => twin.commandPassed(command),
    picture: () => pictureOf(twin.view()),
    pictureAfter: (command) => pictureAfter(twin, command),
  };
}

function pictureOf(view: PowerView): GridPicture | undefined {
  if (view.buses.length === 0) return undefined;
  const over = view.branches.filter((b) => b.closed && b.loading > 1).length;
  return {
    buses: view.buses.map((b) => ({ id: b.id, vm: b.vm })),
    branches: view.branches.map((b) => ({
      row: b.row,
      from: b.from,
      to: b.to,
      loading: Math.max(0, b.loading),
      open: !b.closed,
    })),
    text:
      over === 0 ? 'No line is above its rating.' : `${over} ${over === 1 ? 'line is' : 'lines are'} above the rating.`,
  };
}

/** The grid after the command as it is told; where that rests on untrusted devices, what it could bring down if they lie. */
function pictureAfter(twin: PowerTwin, command: Command): GridPicture | undefined {
  const told = twin.viewAfter(command);
  const picture = told === undefined ? undefined : pictureOf(told);
  if (picture === undefined) return undefined;
  const lie = HIDDEN_FACTORS.map((factor) => twin.whatIf(command, factor)).find(
    (w) => w !== undefined && w.lostShare >= 0.001,
  );
  if (lie === undefined) return picture;
  const tripped = new Set(lie.tripped);
  const dark = new Set(lie.dark);
  return {
    buses: picture.buses.map((b) => (dark.has(b.id) ? { ...b, dark: true } : b)),
    branches: picture.branches.map((b) => (tripped.has(b.row) ? { ...b, tripped: true } : b)),
    loadLostShare: lie.lostShare,
    text: `If the devices that can't be trusted hide ${lie.factor === 2 ? 'twice' : `${lie.factor} times`} the load they tell, ${lie.tripped.length} lines trip one after the other and ${Math.round(lie.lostShare * 100)} % of the city's load is lost.`,
  };
}
