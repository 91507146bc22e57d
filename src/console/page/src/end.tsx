// How it ended, with Parapet and without it.
import type { WireEnd } from './wire.ts';
import { percent } from './words.ts';

export function EndPanel({ end }: { end: WireEnd }) {
  return (
    <section class="panel end" aria-labelledby="end-title">
      <h2 id="end-title">How it ended</h2>
      <p class="end-text">{end.text}</p>
      <table class="compare">
        <thead>
          <tr>
            <th scope="col">
              <span class="heard">What</span>
            </th>
            <th scope="col">With Parapet</th>
            <th scope="col">Without</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">Load without supply</th>
            <td>{percent(end.with.loadLostShare)}</td>
            <td>{percent(end.without.loadLostShare)}</td>
          </tr>
          <tr>
            <th scope="row">Harmful commands carried out</th>
            <td>{end.with.harmfulExecuted}</td>
            <td>{end.without.harmfulExecuted}</td>
          </tr>
        </tbody>
      </table>
    </section>
  );
}
