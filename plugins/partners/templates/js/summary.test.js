// Tests of the report's logic: npm test

import assert from 'node:assert/strict';
import test from 'node:test';
import { DAY_MS, HOUR_MS, period, report } from './summary.js';

test('the period is the last day unless the parameters say otherwise', () => {
  assert.deepEqual(period('{}', 2 * DAY_MS), { fromMs: DAY_MS, toMs: 2 * DAY_MS });
  assert.deepEqual(period('{"fromMs": 5, "toMs": 9}', 0), { fromMs: 5, toMs: 9 });
  for (const wrong of ['{"fromMs": 9, "toMs": 9}', '{"toMs": "today"}', '{"fromMs": true}', '[]', '{']) {
    assert.throws(() => period(wrong, 10), undefined, wrong);
  }
});

test('energy, mean and peak are those of the intervals', () => {
  const powers = [
    { startsAtMs: 0, endsAtMs: HOUR_MS, powerW: 100 },
    { startsAtMs: HOUR_MS, endsAtMs: 2 * HOUR_MS, powerW: 300 },
  ];
  const made = JSON.parse(report(0, 2 * HOUR_MS, powers, 2));
  assert.deepEqual([made.energyWh, made.meanW], [400, 200]);
  assert.deepEqual([made.peakW, made.peakStartsAtMs, made.suppressed], [300, HOUR_MS, 2]);
  assert.equal(JSON.parse(report(0, HOUR_MS, [], 3)).meanW, null);
});
