// Run by bus.test.ts as the other process: a hub that judges commands and says back what it heard.
import { setTimeout as wait } from 'node:timers/promises';
import { Channel, type Port } from '#bus';

const channel = new Channel(process as Port, {
  async onMessage(message) {
    if (message.kind === 'advance' && message.at < 0) throw new Error('time before the epoch');
    if (message.kind === 'readings') await wait(2);
    if (message.kind === 'health' && message.text === 'block') for (;;);
    await channel.send(message);
  },
  async onRequest(command) {
    if (command.reason === 'slow') await wait(150);
    if (command.reason === 'die') process.kill(process.pid, 'SIGKILL');
    if (command.reason === 'throw') throw new Error('singular matrix');
    return {
      kind: 'verdict',
      id: `v-${command.id}`,
      at: command.at,
      command: command.id,
      decision: 'pass',
      reasons: ['nothing leans on it'],
      leansOn: [],
      harm: [],
      decidedInMicros: 1,
    };
  },
  onClose: () => process.exit(0),
});
