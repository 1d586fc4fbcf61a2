import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { readBoard } from '../static/board.js';
import { barBody, concernOf, concerns, lookBody, readLook, untilOf } from '../static/desk.js';
import { Words } from '../static/words.js';

const golden = (name) => JSON.parse(readFileSync(new URL(`../../ws/wire/testdata/${name}.json`, import.meta.url))).b;
const NOON = new Date(2026, 2, 14, 12).getTime();
const position = { lat: 26, lon: 109, datum: 'wgs84', at: 1, age_ms: 5 };

test('what is asked is what the protocol takes', () => {
  assert.deepEqual(lookBody({ kind: 'driver', id: 'd1', reason: 'the party of p17-20260314-1 rang: he has not come' }), golden('client_look'));
  assert.deepEqual(lookBody({ kind: 'trip', id: 'p17-20260314-1', reason: 'lost property' }), golden('client_look_trip'));
  const bar = golden('client_bar');
  assert.deepEqual(barBody({ role: 'passenger', id: 'p99', hours: 24, reason: bar.reason }, bar.until - 24 * 3_600_000), bar);
  assert.deepEqual(barBody({ role: 'driver', id: 'd1', hours: 0, reason: 'r' }, NOON), { role: 'driver', id: 'd1', reason: 'r' });
});

test('what a look shows is read', () => {
  const driver = readLook(golden('server_look'));
  assert.deepEqual([driver.kind, driver.id, driver.driver.fix, driver.driver.linkMs, driver.driver.signs], ['driver', 'd1', { lat: 25.912345, lon: 109.172468 }, 840, ['teleport']]);
  const trip = readLook(golden('server_look_trip'));
  assert.deepEqual([trip.kind, trip.trip.name, trip.trip.phone, trip.trip.driver], ['trip', '奶奶', '+86 855 000 0000', 'd1']);
  for (const odd of [{}, { driver: null }, { driver: 7, trip: 'x' }, { trip: {} }, { driver: { id: 3 } }]) assert.equal(readLook(odd), null);
  assert.equal(readLook({ trip: { trip: 't', traveller: null, start_code: 7 } }).trip.phone, '');
});

test('the most urgent comes first, and who is well does not come', () => {
  const drivers = [
    { id: 'well', position, trip: 't3', state: 'riding' }, { id: 'gone' }, { id: 'doubtful', position, trust: 'doubtful' }, { id: 'unseen', position, unseen: true },
    { id: 'poor', position, trust: 'poor' }, { id: 'b-lost', position, lost_at: 5, trip: 't', state: 'riding' }, { id: 'a-lost', position, lost_at: 5, trip: 't', state: 'riding' },
    { id: 'barred', position, trip: 't2', state: 'riding' },
  ];
  const board = readBoard({ drivers, bars: [{ role: 'driver', id: 'barred' }, { role: 'passenger', id: 'well' }] });
  assert.deepEqual(concerns(board).map((d) => d.id), ['barred', 'a-lost', 'b-lost', 'poor', 'unseen', 'doubtful', 'gone']);
});

test('why is said in words', () => {
  const of = (d, tag = 'en') => concernOf(readBoard({ drivers: [{ id: 'd', position, ...d }] }).drivers[0], new Words(tag), NOON);
  assert.equal(of({}), '');
  assert.equal(of({ position: undefined }), 'not heard of lately');
  assert.equal(of({ lost_at: NOON - 65_000, unseen: true }), 'no link, 1 min · an offer has not reached his phone');
  assert.equal(of({ trust: 'doubtful', signs: ['clock', 'mock'] }, 'zh-CN'), '位置存疑：手机时钟异常、手机提示位置是虚拟的');
  assert.equal(untilOf({ until: 0 }, new Words('en'), NOON), 'lifted by hand');
  assert.equal(untilOf({ until: NOON + 3_600_000 }, new Words('en'), NOON), 'until 13:00');
});
