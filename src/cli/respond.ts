// parapet respond list|propose|enforce|undo|prove
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { type Action, isoTime, toJsonLine } from '#findings';
import { openActions } from '#store';
import { cityOf, ExitCode, options, painter, printable, UsageError, write } from './options.ts';
import { type RespondAnswer, type RespondRequest, respondSocket } from './processes/hub-response.ts';

export const respondHelp = `parapet respond list | propose FINDING | enforce ACTION | undo ACTION | prove ACTION

What Parapet has refused or would refuse by its response policy zone, each with what the resolvers answered when asked.
list reads the store; the others ask the running watch or serve, which publishes, asks each resolver and reports.

  list              actions, latest change first, with their records and proofs
  propose FINDING   makes an action of a finding's response records; nothing is published yet
  enforce ACTION    publishes its records for response.ttl (city.yaml), asks each resolver whether they hold
  undo ACTION       takes them back, asks each resolver whether they are gone
  prove ACTION      asks again

  --store DIR       default store.dir of city.yaml, else ./data
  --by NAME         who asks (default: this user's name); kept in the ledger
  --state STATE     list only proposed, enforced, undone, expired or refused ones
  --city FILE, --format text|ndjson, --no-color

Exit status: 0 done; 2 wrong use, or nothing is running; 3 not done (the reason is printed).`;

const own = { store: { type: 'string' }, by: { type: 'string' }, state: { type: 'string' } } as const;
const ANSWER_MILLIS = 120_000;

export async function respond(args: string[]): Promise<number> {
  const o = options(args, own, ['text', 'ndjson']);
  if (o.help) {
    console.log(respondHelp);
    return ExitCode.Done;
  }
  const [what = '', id = ''] = o.positionals;
  const city = cityOf(o.values);
  const store = (o.values.store as string | undefined) ?? city.file.store?.dir ?? './data';
  const paint = painter(o.values);
  const show = (a: Action): string => (o.format === 'ndjson' ? `${toJsonLine(a)}\n` : text(a, paint));
  if (what === 'list') {
    if (!existsSync(`${store}/response.db`)) {
      if (o.format === 'text') console.log('Nothing was proposed or refused yet.');
      return ExitCode.Done;
    }
    for (const action of openActions(store).latest(10_000))
      if (o.values.state === undefined || o.values.state === action.state) await write(show(action));
    return ExitCode.Done;
  }
  if (what !== 'propose' && what !== 'enforce' && what !== 'undo' && what !== 'prove')
    throw new UsageError('respond takes list, propose, enforce, undo or prove. See parapet respond --help.');
  if (id === '') throw new UsageError(`respond ${what} needs an id; parapet respond list shows them.`);
  const answer = await ask(respondSocket(store), {
    what,
    id,
    by: (o.values.by as string | undefined) ?? userInfo().username,
  });
  if (answer.action !== undefined) await write(show(answer.action));
  if (!answer.done) {
    console.error(`parapet: not done: ${printable(answer.text)}`);
    return ExitCode.PartUnread;
  }
  return ExitCode.Done;
}

function ask(path: string, request: RespondRequest): Promise<RespondAnswer> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(path, () => socket.write(`${JSON.stringify(request)}\n`));
    socket.setTimeout(ANSWER_MILLIS, () => socket.destroy(new Error('no answer')));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    socket.on('end', () => {
      try {
        resolve(JSON.parse(text) as RespondAnswer);
      } catch {
        reject(new UsageError('the running parapet broke off its answer; see what it printed.'));
      }
    });
    socket.on('error', (error) =>
      reject(
        new UsageError(
          `nothing that responds is running on this store (${(error as NodeJS.ErrnoException).code ?? error.message}). Start parapet watch or serve with the same --store, and a response section with an rpz in city.yaml.`,
        ),
      ),
    );
  });
}

function text(a: Action, paint: ReturnType<typeof painter>): string {
  const style =
    a.state === 'enforced' ? 'good' : a.state === 'refused' ? 'bad' : a.state === 'proposed' ? 'warn' : 'quiet';
  const lines = [
    `${paint(style, a.state.toUpperCase())} ${printable(a.subject)}${a.client === undefined ? '' : ` for ${a.client}`}  ${paint('quiet', a.id)}`,
    `  ${isoTime(a.at)} by ${printable(a.by)}: ${printable(a.text)}`,
    ...(a.until === undefined ? [] : [`  until ${isoTime(a.until)}`]),
    ...a.records.map((r) => `  ${r.type}  ${printable(r.record)}`),
    ...a.proofs.map(
      (p) => `  ${p.enforced ? 'holds' : 'does not hold'} at ${printable(p.consumer)}: ${printable(p.text)}`,
    ),
    `  because of ${a.because.join(', ') || 'a person'}`,
  ];
  return `${lines.join('\n')}\n\n`;
}
