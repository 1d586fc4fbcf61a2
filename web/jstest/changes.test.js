import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { readRoad } from '../static/board.js';
import { effectOf, extentOf, MAX_NOTE, nameOf, readPlace, roadBody, timeOf, writePlace } from '../static/changes.js';
import { Words } from '../static/words.js';

const golden = (name) => JSON.parse(readFileSync(new URL(`../../ws/wire/testdata/${name}.json`, import.meta.url))).b;
const NOON = new Date(2026, 2, 14, 12).getTime();

test('a place is two numbers, however they are set apart', () => {
  for (const written of ['26.0421,109.1314', ' 26.0421 , 109.1314 ', '26.0421 109.1314', '26.0421，109.1314', '26.0421; 109.1314']) {
    assert.deepEqual(readPlace(written), { lat: 26.0421, lon: 109.1314 }, written);
  }
  assert.deepEqual(readPlace('-26,-109'), { lat: -26, lon: -109 });
  for (const written of ['', '26', '26,', '26,109,3', '91,0', '0,181', '0,0', '109.1314, 26.0421', 'Zhaoxing', '1e1,2', 'NaN,1', '26..1,109']) {
    assert.equal(readPlace(written), null, written);
  }
  assert.deepEqual(readPlace(writePlace({ lat: 26.04210049, lon: -109.1 })), { lat: 26.0421, lon: -109.1 });
});

test('what the form says is what the protocol takes', () => {
  const place = { lat: 25.962018, lon: 109.151733 };
  const closure = roadBody({ id: 'slide-2', place, radius: 0, pace: 0, hours: 24, note: 'landslide at the second bridge' }, 1773446400000);
  assert.deepEqual(closure, golden('client_road'));
  assert.deepEqual(roadBody({ id: 'r', place, radius: 500, pace: 25, hours: 0, note: '' }, NOON),
    { road: 'r', where: { lat: 25.962018, lon: 109.151733, datum: 'wgs84', radius_m: 500 }, pace: 0.25 });
  assert.equal(MAX_NOTE, 200);
});

test('a change is told in words', () => {
  const w = new Words('en');
  const road = readRoad(golden('server_road'));
  const villages = [{ name: '', point: { lat: 25.96, lon: 109.15 } }, { name: '永从', point: { lat: 26.04, lon: 109.13 } }, { name: '肇兴', point: { lat: 25.91, lon: 109.18 } }];
  assert.equal(nameOf(road, w, villages), 'X106');
  assert.equal(nameOf({ ...road, names: [] }, w, villages), 'road near 肇兴');
  assert.equal(nameOf({ ...road, names: [], point: null }, w, villages), 'road without a name');
  assert.equal(extentOf(road, w), '2 segments, 1.3 km');
  assert.equal(effectOf(road, w), 'closed');
  const ice = readRoad({ change: { ...golden('client_road_ice'), closed: false }, extent: { segments: 1, length_m: 640, names: [] }, in_force: false });
  assert.equal(nameOf(ice, w, []), 'road without a name');
  assert.equal(extentOf(ice, w), '1 segments, 640 m');
  assert.equal(effectOf(ice, w), 'at 50 % of the usual pace, up to 7.5 t, up to 3.2 m high, up to 2.3 m wide');
});

test('when it holds is told from now', () => {
  const w = new Words('en');
  const at = (fields) => timeOf({ from: 0, until: 0, inForce: true, ...fields }, w, NOON);
  const hour = 3_600_000;
  assert.equal(at({}), 'lifted by hand');
  assert.equal(at({ until: NOON + 2 * hour }), 'until 14:00');
  assert.equal(at({ until: NOON + 24 * hour }), 'until 03-15 12:00');
  assert.equal(at({ from: NOON + hour, until: NOON + 2 * hour, inForce: false }), 'from 13:00, until 14:00');
  assert.equal(at({ from: NOON - hour, inForce: false }), 'lifted by hand, not at this hour');
});

test('refusals that are known are said in the reader’s language', () => {
  const w = new Words('zh-CN');
  assert.match(w.refusal({ code: 'road_unknown', say: 'There is no such road.' }), /没有/);
  assert.equal(w.refusal({ code: 'tomorrow', say: 'Not today.' }), 'Not today.');
});
