import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Focus } from '../static/focus.js';

const BOARD = {
  drivers: [{ id: 'd1', trip: 't1' }, { id: 'd2', trip: '' }, { id: 'd3', trip: 't9' }],
  driving: [{ id: 't1', driver: 'd1' }],
  waiting: [{ id: 't2', driver: '' }],
  ended: [{ id: 't3', driver: 'd2' }],
};

function found(target) {
  const f = new Focus();
  f.pin(target);
  const r = f.resolve(BOARD);
  return r && [r.driver?.id ?? null, r.trip?.id ?? null];
}

test('a driver leads to his trip and a trip to its driver', () => {
  assert.deepEqual(found({ driver: 'd1', trip: '' }), ['d1', 't1']);
  assert.deepEqual(found({ driver: '', trip: 't1' }), ['d1', 't1']);
  assert.deepEqual(found({ driver: 'd2', trip: '' }), ['d2', null]);
  assert.deepEqual(found({ driver: 'd3', trip: '' }), ['d3', null]);
  assert.deepEqual(found({ driver: '', trip: 't2' }), [null, 't2']);
  assert.deepEqual(found({ driver: '', trip: 't3' }), [null, 't3']);
  assert.equal(found({ driver: 'gone', trip: '' }), null);
  assert.equal(found(null), null);
  assert.equal(new Focus().resolve(null), null);
});

test('what is pointed at goes before what is pinned', () => {
  let changes = 0;
  const f = new Focus(() => changes++);
  const [a, b] = [{ driver: 'd1', trip: '' }, { driver: '', trip: 't2' }];
  f.toggle(a);
  f.point(b);
  f.point({ ...b });
  assert.equal(f.target, b);
  f.point(null);
  assert.equal(f.target, a);
  f.toggle({ ...a });
  assert.equal(f.target, null);
  assert.equal(changes, 4);
});
