import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrokerReturn } from './broker-return.ts';

describe('after the broker was away', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const subscriber = () => ({
    hurried: 0,
    hurry(): void {
      this.hurried += 1;
    },
  });

  it('what was kept waits for the last subscriber, and no longer', () => {
    const back = new BrokerReturn();
    const [a, b] = [subscriber(), subscriber()];
    const sent: string[] = [];
    back.afterAll(() => sent.push('before'));
    back.lost(a);
    back.lost(b);
    back.afterAll(() => sent.push('kept'));
    back.reached();
    expect([a.hurried, b.hurried]).toEqual([1, 1]);
    back.back(a);
    expect(sent).toEqual(['before']);
    back.back(b);
    expect(sent).toEqual(['before', 'kept']);
    vi.runAllTimers();
    expect(sent).toHaveLength(2);
  });

  it('one that never comes back is waited for once, not at each message', () => {
    const back = new BrokerReturn();
    const gone = subscriber();
    const sent: string[] = [];
    back.lost(gone);
    back.afterAll(() => sent.push('first'));
    vi.advanceTimersByTime(1999);
    expect(sent).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(sent).toEqual(['first']);
    back.afterAll(() => sent.push('second'));
    expect(sent).toEqual(['first', 'second']);
  });
});
