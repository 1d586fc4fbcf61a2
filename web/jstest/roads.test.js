import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readRoads } from '../static/roads.js';

test('a line is its rank, and then steps from point to point', () => {
  const [road, south] = readRoads({ lines: [[3, 2_650_000, 10_790_000, 100, -50, -25, 0], [0, -100, -200, -300, -400]] });
  assert.equal(road.rank, 3);
  assert.deepEqual(road.points, [{ lat: 26.5, lon: 107.9 }, { lat: 26.501, lon: 107.8995 }, { lat: 26.50075, lon: 107.8995 }]);
  assert.deepEqual(south, { rank: 0, points: [{ lat: -0.001, lon: -0.002 }, { lat: -0.004, lon: -0.006 }] });
});

test('what makes no sense is left out, and nothing breaks', () => {
  const sound = [1, 2_600_000, 10_800_000, 1, 1];
  const odd = [[], [1], [1, 2, 3], [1, 2, 3, 4], [4, 1, 1, 1, 1], [-1, 1, 1, 1, 1], [1, 9_100_000, 0, 1, 1], [1, 0, 18_100_000, 1, 1], [1, 0.5, 1, 1, 1], [1, NaN, 1, 1, 1], ['1', 1, 1, 1, 1], 'line', null, {}];
  assert.equal(readRoads({ lines: [...odd, sound] }).length, 1);
  for (const body of [null, undefined, [], {}, { lines: 'x' }, { lines: null }, 7]) assert.deepEqual(readRoads(body), []);
});
