import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { CLOSES, REFUSALS } from '../static/refusals.js';
import { LANGUAGES, preferred, Words } from '../static/words.js';

const blanks = (s) => [...s.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();
const { en, 'zh-CN': zh } = LANGUAGES;
const read = (name) => readFileSync(new URL(`../static/${name}`, import.meta.url), 'utf8');

test('both languages have the same words with the same blanks', () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  for (const key of Object.keys(en)) {
    assert.notEqual(en[key].trim(), '');
    assert.notEqual(zh[key].trim(), '');
    assert.deepEqual(blanks(zh[key]), blanks(en[key]), key);
  }
});

// Every word that the server has, from its source: see vocabulary_test.go.
const server = JSON.parse(process.env.VOCABULARY ?? 'null');

test('every word of the server has one in every language', { skip: server === null && 'run by go test' }, () => {
  for (const [tag, words] of Object.entries(LANGUAGES)) {
    const has = (where, key, what) => assert.ok(Object.hasOwn(where, key) && where[key].trim() !== '', `${tag} has no word for the ${what} ${key}`);
    for (const [kind, names] of Object.entries(server.names)) for (const name of names) has(words, `${kind}.${name}`, kind);
    for (const code of server.refusals) has(REFUSALS[tag], code, 'refusal');
    for (const code of server.closes) has(CLOSES[tag], code, 'close');
  }
});

test('there is no word for what the server does not have', { skip: server === null && 'run by go test' }, () => {
  for (const tag of Object.keys(LANGUAGES)) {
    assert.deepEqual(Object.keys(REFUSALS[tag]).sort(), server.refusals.toSorted());
    assert.deepEqual(Object.keys(CLOSES[tag]).map(Number), server.closes);
    for (const [kind, names] of Object.entries(server.names)) {
      const ours = Object.keys(LANGUAGES[tag]).filter((key) => key.startsWith(`${kind}.`));
      assert.deepEqual(ours.sort(), names.map((name) => `${kind}.${name}`).sort());
    }
  }
});

test('Chinese is Chinese', () => {
  for (const words of [REFUSALS, CLOSES]) for (const [key, said] of Object.entries(words['zh-CN'])) assert.match(said, /\p{Script=Han}/u, key);
  for (const [key, said] of Object.entries(zh)) if (/^(sign|act|state|role|why|class)\./.test(key)) assert.match(said, /\p{Script=Han}/u, key);
});

test('the skeleton uses words that exist, and says them in English', () => {
  const uses = [...read('index.html').matchAll(/data-word="([^"]+)"[^>]*>([^<]*)</g)];
  assert.ok(uses.length > 20);
  for (const [, key, words] of uses) assert.equal(words, en[key], key);
});

test('the scripts use words that exist', () => {
  for (const file of ['app.js', 'changes.js', 'desk.js', 'page.js', 'map.js', 'words.js']) {
    for (const [, key] of read(file).matchAll(/say\('([\w.]+)'/g)) assert.ok(Object.hasOwn(en, key), `${file}: ${key}`);
  }
});

test('no word is left over', () => {
  const page = ['index.html', 'app.js', 'changes.js', 'desk.js', 'page.js', 'map.js', 'words.js'].map(read).join('').replaceAll(/^  [\w']+: /gm, '');
  const parts = /^legend|\./; // put together from a state, a kind or a code
  for (const key of Object.keys(en)) assert.ok(parts.test(key) || page.includes(`'${key}'`) || page.includes(`"${key}"`), key);
});

test('blanks are filled once and with text only', () => {
  const w = new Words('en');
  assert.equal(w.say('noDemoToken', { why: '{why} $& <b>' }), 'No demo token: {why} $& <b>');
  assert.equal(w.say('longest', {}), 'longest {time}');
  assert.equal(w.say('no such words'), 'no such words');
  assert.equal(w.say('constructor'), 'constructor');
});

test('what has no word of ours stands as it is', () => {
  const w = new Words('zh-CN');
  assert.equal(w.name('state', 'riding'), '行程中');
  assert.equal(w.name('state', 'being_towed'), 'being towed');
  assert.equal(w.name('why', ''), '');
});

test('spans are as coarse as people speak', () => {
  const w = new Words('en');
  assert.deepEqual([-5, 0, 59_999, 60_000, 3_599_000, 3_600_000, 3_840_000].map((ms) => w.span(ms)), ['0 s', '0 s', '59 s', '1 min', '59 min', '1 h 00', '1 h 04']);
  assert.deepEqual([0.04, 3.14, 240, 1500, 75_000].map((ms) => w.brief(ms)), ['0.0 ms', '3.1 ms', '240 ms', '1.5 s', '1 min']);
});

test('the reader’s language', () => {
  assert.equal(preferred(['zh-TW', 'en']), 'zh-CN');
  assert.equal(preferred(['de']), 'en');
  assert.equal(preferred(undefined), 'en');
  const w = new Words('xx');
  assert.equal(w.tag, 'en');
  w.use(w.other);
  assert.equal(w.tag, 'zh-CN');
  assert.equal(w.other, 'en');
});
