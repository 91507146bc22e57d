// The twins that city.yaml names, each behind the hub's Twin.
import type { City } from '#city';
import type { Command } from '#events';
import { FaultError } from '#findings';
import { loadPowerTwin, type PowerTwin } from '#twins/power';
import type { GridPicture, Twin } from './hub.ts';

/** @throws FaultError where a model can't be read: a city without its model must not look like one without commands */
export function twinsOf(city: City): Map<string, Twin> {
  const twins = new Map<string, Twin>();
  const power = loadPowerTwin(city);
  if (power === undefined) return twins;
  if (power.value === undefined) throw new FaultError(power.faults[0]!);
  twins.set('power', withPictures(power.value, city));
  return twins;
}

function withPictures(twin: PowerTwin, _city: City): Twin {
  return {
    name: twin.name,
    observe: (readings) => twin.observe(readings),
    estimate: (at, trustOf) => twin.estimate(at, trustOf),
    judge: (command, at, trustOf) => twin.judge(command, at, trustOf),
    commandPassed: (command) => twin.commandPassed(command),
    picture: () => picture(twin),
    pictureAfter: (command) => pictureAfter(twin, command),
  };
}

function picture(twin: PowerTwin): GridPicture | undefined {
  const view = twin.view();
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
    text: over === 0 ? 'No line is above its rating.' : `${over} lines are above their rating.`,
  };
}

function pictureAfter(twin: PowerTwin, command: Command): GridPicture | undefined {
  void twin;
  void command;
  return undefined;
}
