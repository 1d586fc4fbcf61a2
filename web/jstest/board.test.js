import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { look, MAX_DRIVERS, MAX_ROWS, MAX_TEXT, readBoard, readRoad, text, Villages } from '../static/board.js';

const golden = JSON.parse(readFileSync(new URL('../../ws/wire/testdata/server_board.json', import.meta.url))).b;

test('the board of the protocol is read', () => {
  const b = readBoard(golden);
  assert.equal(b.area, 'liping');
  assert.equal(b.waiting[0].pickup.name, '肇兴 寨门');
  assert.equal(b.waiting[0].place, 1);
  assert.equal(b.waiting[0].booker, 'agent');
  assert.equal(b.driving[0].driver, 'd1');
  assert.equal(b.driving[0].vehicle.plate, '贵H·D0217');
  assert.deepEqual(b.drivers.map((d) => [d.look, d.away, d.lostAt, d.unseen, d.linkMs]), [['coming', false, 0, false, 0], ['silent', true, 1773446436000, true, 2150], ['silent', true, 0, false, 0]]);
  assert.deepEqual(b.bars, [{ id: 'passenger p99', role: 'passenger', who: 'p99', until: 1773532800000, at: 1773446400000, reason: 'forty orders in an hour, nobody there' }]);
  assert.equal(b.latency.p50, 3.1);
  assert.deepEqual(b.roads, [readRoad(JSON.parse(readFileSync(new URL('../../ws/wire/testdata/server_road.json', import.meta.url))).b)]);
  assert.deepEqual(b.roads[0], {
    id: 'slide-2', point: { lat: 25.962018, lon: 109.151733 }, radius: 0, closed: true, pace: 1, limits: { kg: 0, height: 0, width: 0 },
    from: 0, until: 1773532800000, note: 'landslide at the second bridge', segments: 2, length: 1310, names: ['X106'], inForce: true,
  });
  assert.equal(b.numbers.waiting, 1);
  assert.equal(b.numbers.coming, 1);
  assert.deepEqual([b.numbers.onDuty, b.numbers.free, b.numbers.busy, b.numbers.silent], [3, 0, 1, 2]);
});

test('who is out of reach does not look free, and who drives keeps his look', () => {
  const position = { lat: 26, lon: 109, datum: 'wgs84', at: 1, age_ms: 5 };
  const of = (d) => readBoard({ drivers: [{ id: 'd', position, ...d }] }).drivers[0];
  assert.deepEqual([of({}).look, of({}).away], ['free', false]);
  assert.deepEqual([of({ lost_at: 7 }).look, of({ lost_at: 7 }).away], ['silent', true]);
  assert.deepEqual([of({ lost_at: 7, trip: 't', state: 'riding' }).look, of({ lost_at: 7, trip: 't', state: 'riding' }).away], ['riding', true]);
  assert.deepEqual([of({ position: undefined, trip: 't', state: 'riding' }).look, of({ position: undefined }).away], ['silent', true]);
});

test('every sign is read, and no more than there may be', () => {
  const signs = Array.from({ length: 20 }, (_, i) => `s${i}`);
  assert.deepEqual(readBoard({ drivers: [{ id: 'd', trust: 'poor', signs: ['teleport', 'teleport', 7, ...signs] }] }).drivers[0].signs, ['teleport', ...signs.slice(0, 5)]);
  assert.deepEqual(readBoard({ drivers: [{ id: 'd', signs: 'teleport' }] }).drivers[0].signs, []);
});

test('every state of the protocol has a look', () => {
  for (const s of ['requested', 'offered', 'parked', 'assigned', 'arrived', 'riding', 'completed', 'cancelled', 'unserved']) assert.notEqual(look(s), 'other');
  for (const s of ['', 'toString', '__proto__', 'tomorrow']) assert.equal(look(s), 'other');
});

test('nothing breaks on what should not be there', () => {
  const odd = [null, undefined, 0, -1, NaN, Infinity, 1e300, '', 'x', true, [], {}, [[]], { trip: 1 }, { trip: {} }, JSON.parse('{"__proto__":{"a":1}}')];
  const fields = Object.keys(golden);
  for (const v of odd) {
    for (const f of fields) check({ ...golden, [f]: v });
    for (const f of Object.keys(golden.waiting[0])) check({ ...golden, waiting: [{ ...golden.waiting[0], [f]: v }] });
    for (const f of Object.keys(golden.driving[0].driver)) check({ ...golden, driving: [{ ...golden.driving[0], driver: { [f]: v } }] });
    for (const f of Object.keys({ ...golden.drivers[0], ...golden.drivers[1] })) check({ ...golden, drivers: [{ ...golden.drivers[1], [f]: v }] });
    for (const f of Object.keys(golden.bars[0])) check({ ...golden, bars: [{ ...golden.bars[0], [f]: v }] });
    for (const f of Object.keys(golden.roads[0])) check({ ...golden, roads: [{ ...golden.roads[0], [f]: v }] });
    for (const f of ['road', 'where', 'pace', 'max_kg', 'from', 'until', 'note', 'daily']) check({ ...golden, roads: [{ ...golden.roads[0], change: { ...golden.roads[0].change, [f]: v } }] });
    for (const f of Object.keys(golden.roads[0].extent)) check({ ...golden, roads: [{ ...golden.roads[0], extent: { [f]: v } }] });
    check({ waiting: [v], driving: [v], ended: [v], drivers: [v], roads: [v], counts: v });
  }
  check({});
});

// What comes out has the types that the page counts on.
function check(b) {
  const out = readBoard(b);
  for (const t of [...out.waiting, ...out.driving, ...out.ended]) {
    for (const f of ['id', 'state', 'look', 'driver', 'booker', 'endedBy', 'endedWhy']) assert.equal(typeof t[f], 'string');
    for (const f of ['seats', 'requestedAt', 'since', 'givesUpAt', 'overdue', 'place']) assert.ok(Number.isFinite(t[f]), f);
    for (const p of [t.pickup, t.dropoff]) assert.equal(typeof p.name, 'string');
  }
  for (const d of out.drivers) {
    for (const f of ['id', 'state', 'look', 'trip', 'trust']) assert.equal(typeof d[f], 'string');
    for (const f of ['lostAt', 'linkMs', 'ageMs', 'accuracy']) assert.ok(Number.isFinite(d[f]), f);
    for (const f of ['away', 'unseen']) assert.equal(typeof d[f], 'boolean');
    assert.ok(d.signs.every((s) => typeof s === 'string'));
  }
  for (const bar of out.bars) {
    for (const f of ['id', 'role', 'who', 'reason']) assert.equal(typeof bar[f], 'string');
    for (const f of ['until', 'at']) assert.ok(Number.isFinite(bar[f]), f);
  }
  for (const r of out.roads) {
    for (const f of ['id', 'note']) assert.equal(typeof r[f], 'string');
    for (const f of ['closed', 'inForce']) assert.equal(typeof r[f], 'boolean');
    for (const f of ['radius', 'from', 'until', 'segments', 'length']) assert.ok(Number.isFinite(r[f]), f);
    for (const n of Object.values(r.limits)) assert.ok(Number.isFinite(n));
    assert.ok(r.pace > 0 && r.pace <= 1 && r.names.length <= 8 && r.names.every((n) => n !== ''));
    assert.ok(r.point === null || Number.isFinite(r.point.lat + r.point.lon));
  }
  for (const t of [...out.waiting, ...out.driving]) assert.equal(typeof t.cut, 'boolean');
  for (const d of out.drivers) assert.ok(d.fix === null || Number.isFinite(d.fix.lat + d.fix.lon));
  for (const n of Object.values(out.numbers)) assert.ok(Number.isFinite(n) && n >= 0);
}

test('lists are bounded, and nobody stands in one twice', () => {
  const many = Array.from({ length: 10_000 }, (_, i) => ({ trip: `t${i}`, id: `d${i}` }));
  const b = readBoard({ waiting: many, driving: many, ended: many, drivers: many, roads: many.map((m) => ({ change: { road: m.id } })) });
  assert.equal(b.roads.length, MAX_ROWS);
  assert.equal(b.waiting.length, MAX_ROWS);
  assert.equal(b.drivers.length, MAX_DRIVERS);
  assert.equal(readBoard({ waiting: [{ trip: 'a' }, { trip: 'a' }] }).waiting.length, 1);
});

test('text stays text, without what cannot be seen, and bounded', () => {
  assert.equal(text('<img src=x onerror=alert(1)>'), '<img src=x onerror=alert(1)>');
  assert.equal(text('a\u202Egnp.exe\u2066\u0000\u0007b'), 'agnp.exeb');
  assert.equal(text('黎平 市场'), '黎平 市场');
  assert.equal([...text('😀'.repeat(300))].length, MAX_TEXT);
  assert.equal(text(`${'x'.repeat(200)}`).length, 200);
  for (const v of [1, null, undefined, {}, [], true]) assert.equal(text(v), '');
});

test('a position that is none is nowhere, and a driver without one is silent', () => {
  for (const position of [null, {}, { lat: 26 }, { lat: '26', lon: 109 }, { lat: 0, lon: 0 }, { lat: 91, lon: 0 }, { lat: 1, lon: NaN }, { lat: 26, lon: 109, datum: 'gcj02' }]) {
    assert.equal(readBoard({ drivers: [{ id: 'd', position }] }).drivers[0].look, 'silent');
  }
  assert.equal(readBoard({ drivers: [{ id: 'd', position: { lat: 26, lon: 109 } }] }).drivers[0].look, 'free');
});

test('the crew adds up whatever the server says', () => {
  const n = readBoard({ on_duty: 3, free: 5, silent: 9 }).numbers;
  assert.deepEqual([n.onDuty, n.free, n.busy, n.silent], [3, 3, 0, 0]);
});

test('villages: stops of one village share what their names share', () => {
  const v = new Villages();
  const at = (village, name, lat, stop = 'gate') => ({ village, name, stop, point: { lat, lon: 109 } });
  v.learn({ waiting: [{ pickup: at('z', '肇兴 寨门', 25.91), dropoff: at('z', '肇兴 市场', 25.92) }], driving: [], ended: [{ pickup: at('', 'by the tree', 26, ''), dropoff: { village: 'q', name: 'q', stop: '', point: null } }] });
  v.learn({ waiting: [{ pickup: at('m', 'Mengyan village gate', 26.3), dropoff: at('d', '大稼', 26.4) }], driving: [], ended: [] });
  assert.deepEqual(v.all().map((x) => x.name).sort(), ['Mengyan village', 'by the tree', '大稼', '肇兴']);
});

test('villages: bounded, those named longest ago go first', () => {
  const v = new Villages(3);
  for (let i = 0; i < 5; i++) {
    v.learn({ waiting: [{ pickup: { village: `v${i}`, name: `v${i}`, stop: '', point: { lat: 26, lon: 109 } }, dropoff: { village: 'v0', name: 'v0', stop: '', point: { lat: 26, lon: 109 } } }], driving: [], ended: [] });
  }
  assert.deepEqual(v.all().map((x) => x.key).sort(), ['v0', 'v3', 'v4']);
});
