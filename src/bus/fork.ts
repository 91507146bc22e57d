// A child process with a channel to it.
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { Channel, type ChannelOptions, type Port } from './channel.ts';

/**
 * Starts `module` as a child; inside, `new Channel(process, ...)` is the other end. Structured clone ('advanced') carries
 * undefined, NaN and typed arrays, which JSON does not.
 */
export function forkChannel(
  module: string,
  args: readonly string[],
  options: ChannelOptions,
  forkOptions: ForkOptions = {},
): { child: ChildProcess; channel: Channel } {
  const child = fork(module, args, { ...forkOptions, serialization: 'advanced' });
  // A child that can't be started says so by `error`, never by `disconnect`.
  const channel = new Channel(child as unknown as Port, options);
  child.on('error', () => channel.close());
  child.on('exit', () => channel.close());
  return { child, channel };
}
