import assert from 'node:assert/strict';
import { test } from 'node:test';

import { backoff, Client, comeBack, decode, encode, FIRST_MS, FrameError, LAST_MS, leastWait, MAX_ASKED, MAX_FRAME, MAX_TRIPS, MAX_RECEIPTS, Newest, PROTOCOL, Receipts, SUBPROTOCOL } from '../static/client.js';
import { FakeClock, FakeSocket, settle } from './fake.js';

const WELCOME = { session: 's', role: 'operator', id: 'o1', area: 'liping', server_time: 1, heartbeat_s: 25, protocol: PROTOCOL };

/** A client with everything in hand: its sockets, links and boards are kept in lists. */
function rig({ token = async () => 'secret', random = () => 0.5, open, url = 'ws://here/ws' } = {}) {
  const r = { clock: new FakeClock(), sockets: [], links: [], boards: [], roads: [], refusals: [] };
  r.client = new Client({
    url,
    token,
    random,
    clock: r.clock,
    open: open ?? ((url, protocols) => {
      r.sockets.push(new FakeSocket(url, protocols));
      return r.sockets.at(-1);
    }),
    on: {
      link: (state, detail) => r.links.push({ state, ...detail }),
      board: (b) => r.boards.push(b),
      road: (b) => r.roads.push(b),
      refused: (b) => r.refusals.push(b),
    },
  });
  r.socket = () => r.sockets.at(-1);
  r.link = () => r.links.at(-1);
  return r;
}

async function live(options) {
  const r = rig(options);
  r.client.start();
  await settle();
  r.socket().open();
  r.socket().say('welcome', WELCOME);
  r.socket().say('truth', { at: 1, trips: [] });
  return r;
}

test('hello comes first, then watch', async () => {
  const r = rig();
  r.client.start();
  await settle();
  assert.equal(r.socket().url, 'ws://here/ws');
  assert.deepEqual(r.socket().protocols, [SUBPROTOCOL]);
  assert.deepEqual(r.socket().sent, []);
  r.socket().open();
  assert.deepEqual(r.socket().sent, [{ t: 'hello', b: { token: 'secret', now_ms: r.clock.Date.now(), client: 'cuntong-page/1' } }]);
  r.socket().say('welcome', WELCOME);
  assert.deepEqual(r.socket().sent[1], { t: 'watch', b: { on: true } });
  assert.deepEqual(r.links.map((l) => l.state), ['connecting', 'live']);
});

test('the token is never part of the address', async () => {
  const r = await live();
  assert.ok(!r.socket().url.includes('secret'));
});

test('without a token nothing is opened', async () => {
  const r = rig({ token: async () => '' });
  r.client.start();
  await r.clock.pass(60_000);
  assert.equal(r.sockets.length, 0);
  assert.equal(r.link().state, 'token');
});

test('a token that cannot be fetched now is asked for again', async () => {
  let asked = 0;
  const r = rig({ token: async () => { if (++asked < 3) throw new Error('away'); return 'late'; } });
  r.client.start();
  await r.clock.pass(10_000);
  assert.equal(asked, 3);
  assert.equal(r.sockets.length, 1);
});

test('a socket that cannot be made is tried again', async () => {
  let tried = 0;
  const r = rig({ open: () => { tried++; throw new Error('no'); } });
  r.client.start();
  await r.clock.pass(5000);
  assert.ok(tried > 2);
  assert.equal(r.link().state, 'waiting');
});

test('back-off is full jitter under a ceiling that doubles', () => {
  for (let n = 0; n < 40; n++) {
    const ceiling = Math.min(LAST_MS, FIRST_MS * 2 ** n);
    assert.equal(backoff(n, () => 0), 0);
    assert.equal(backoff(n, () => 0.5), Math.floor(ceiling / 2));
    assert.ok(backoff(n, () => 1 - 2 ** -53) < ceiling + 1);
  }
});

test('each failure waits longer, until a connection has been steady', async () => {
  const r = await live();
  const waits = [];
  for (let i = 0; i < 4; i++) {
    r.socket().die(1006);
    waits.push(r.link().ms);
    await r.clock.pass(r.link().ms);
    r.socket().open();
    r.socket().say('welcome', WELCOME);
  }
  assert.deepEqual(waits, [250, 500, 1000, 2000]);
  for (let i = 0; i < 11; i++) {
    r.socket().say('board', { at: i });
    await r.clock.pass(1000);
  }
  r.socket().die(1006);
  assert.equal(r.link().ms, 250);
});

test('drain is honoured: the server says when to come back', async () => {
  const r = await live();
  r.socket().say('drain', { come_back_after_ms: 3170 });
  r.socket().die(4001);
  assert.deepEqual(r.link(), { state: 'waiting', ms: 3170, code: 4001, planned: true });
  r.client.hurry();
  await r.clock.pass(3169);
  assert.equal(r.sockets.length, 1);
  await r.clock.pass(1);
  assert.equal(r.sockets.length, 2);
});

test('a drain holds for one close only, and not for ever', async () => {
  const r = await live();
  r.socket().say('drain', { come_back_after_ms: 1e12 });
  r.socket().die(1001);
  assert.equal(r.link().ms, 600_000);
  await r.clock.pass(600_000);
  r.socket().die(1006);
  assert.equal(r.link().planned, false);
});

test('some closes ask for a least wait', async () => {
  const r = await live({ random: () => 0 });
  r.socket().die(4014);
  assert.equal(r.link().ms, 30_000);
});

test('after a close that says so the client stays away', async () => {
  for (const [code, state] of [[4500, 'token'], [4503, 'token'], [4502, 'token'], [4505, 'token'], [4506, 'token'], [4504, 'replaced'], [4501, 'broken'], [1003, 'broken'], [4777, 'broken']]) {
    const r = await live();
    r.socket().die(code);
    await r.clock.pass(300_000);
    assert.equal(r.sockets.length, 1, `close ${code}`);
    assert.equal(r.link().state, state);
    assert.equal(r.link().code, code);
    assert.equal(r.clock.pending, 0);
  }
});

test('the table of close codes is the server’s', { skip: !process.env.CLOSE_CODES && 'run by go test' }, () => {
  const table = JSON.parse(process.env.CLOSE_CODES);
  assert.ok(table.length > 10);
  for (const row of table) {
    assert.equal(comeBack(row.Code), row.ComeBack, `close ${row.Code}`);
    assert.equal(leastWait(row.Code), row.Wait / 1e6, `wait after ${row.Code}`);
  }
  assert.equal(comeBack(1006), true);
  assert.equal(comeBack(4999), false);
});

test('another protocol is not guessed at', async () => {
  for (const protocol of ['cuntong.v2', undefined, 1]) {
    const r = rig();
    r.client.start();
    await settle();
    r.socket().open();
    r.socket().say('welcome', { ...WELCOME, protocol });
    assert.equal(r.link().state, 'broken');
    assert.equal(r.socket().closedWith, 1000);
    await r.clock.pass(300_000);
    assert.equal(r.sockets.length, 1);
  }
});

test('a token of another role opens nothing', async () => {
  const r = rig();
  r.client.start();
  await settle();
  r.socket().open();
  r.socket().say('welcome', { ...WELCOME, role: 'driver' });
  assert.deepEqual([r.link().state, r.link().why], ['token', 'role']);
});

test('boards pass on, newest only; a restarted server begins anew', async () => {
  const r = await live();
  for (const at of [10, 12, 11, 12, 13]) r.socket().say('board', { at });
  assert.deepEqual(r.boards.map((b) => b.at), [10, 12, 12, 13]);
  r.socket().say('board', {});
  assert.equal(r.boards.length, 4);
  r.socket().die(1006);
  await r.clock.pass(1000);
  r.socket().open();
  r.socket().say('welcome', WELCOME);
  r.socket().say('board', { at: 5 });
  assert.equal(r.boards.at(-1).at, 5);
});

test('a row never goes back to an older version', async () => {
  const r = await live();
  r.socket().say('trip', { trip: 't1', version: 5, state: 'riding' });
  r.socket().say('board', { at: 1, waiting: [], driving: [{ trip: 't1', version: 4, state: 'arrived' }, { trip: 't2', version: 1 }] });
  assert.deepEqual(r.boards[0].driving.map((t) => [t.trip, t.version]), [['t1', 5], ['t2', 1]]);
  r.socket().say('board', { at: 2, ended: [{ trip: 't1', version: 6, state: 'completed' }] });
  assert.equal(r.boards[1].ended[0].version, 6);
  r.socket().say('truth', { at: 3, trips: [{ trip: 't1', version: 1 }] });
  r.socket().say('board', { at: 4, waiting: [{ trip: 't1', version: 1, state: 'requested' }] });
  assert.equal(r.boards[2].waiting[0].version, 1);
});

test('the same version is taken again: a place in the queue has none', () => {
  const n = new Newest();
  n.take({ trip: 't', version: 2, queue: { place: 3 } });
  assert.equal(n.take({ trip: 't', version: 2, queue: { place: 1 } }).queue.place, 1);
});

test('versions are remembered of so many trips only', () => {
  const n = new Newest();
  for (let i = 0; i <= MAX_TRIPS; i++) n.take({ trip: `t${i}`, version: 9 });
  assert.equal(n.take({ trip: 't0', version: 1 }).version, 1);
  assert.equal(n.take({ trip: `t${MAX_TRIPS}`, version: 1 }).version, 9);
});

test('versions that are none do no harm', () => {
  const n = new Newest();
  for (const trip of [null, 1, 'x', {}, { trip: 7, version: 1 }, { trip: 't' }, { trip: 't', version: 'x' }]) assert.deepEqual(n.take(trip), trip);
});

test('decode: unknown fields and types pass', () => {
  assert.deepEqual(decode('{"t":"board","b":{"at":1,"new":[1]},"later":true}'), { t: 'board', re: '', b: { at: 1, new: [1] } });
  assert.equal(decode('{"t":"tomorrow","re":"c1","b":{}}').re, 'c1');
  assert.deepEqual(decode(encode('ping', {})), { t: 'ping', re: '', b: {} });
});

test('decode: nonsense is a FrameError', () => {
  for (const bad of ['', '{', 'null', '[]', '7', '"t"', '{}', '{"t":1,"b":{}}', '{"t":"board"}', '{"t":"board","b":[]}', '{"t":"board","b":null}', `{"t":"x","b":{"p":"${'x'.repeat(MAX_FRAME)}"}}`, undefined, new ArrayBuffer(2)]) {
    assert.throws(() => decode(bad), FrameError);
  }
});

test('a bad frame is passed over', async () => {
  const r = await live();
  r.socket().raw('{{{');
  r.socket().raw(new ArrayBuffer(4));
  r.socket().say('tomorrow', { x: 1 });
  r.socket().say('board', { at: 1, waiting: 'x', driving: null });
  r.socket().say('refused', { kind: 'limited', code: 'rate', say: 'Slower.' });
  assert.equal(r.boards.length, 1);
  assert.equal(r.refusals[0].code, 'rate');
  assert.equal(r.link().state, 'live');
});

test('a link that is silent is tried, then given up', async () => {
  const r = await live();
  r.socket().say('board', { at: 1 });
  await r.clock.pass(12_000);
  assert.ok(r.socket().sent.some((f) => f.t === 'ping'));
  r.socket().say('pong');
  await r.clock.pass(12_000);
  assert.equal(r.sockets.length, 1);
  await r.clock.pass(14_000);
  assert.ok(r.sockets.length > 1);
  assert.equal(r.sockets[0].closedWith, 1000);
});

test('a server that never says welcome is given up', async () => {
  const r = rig();
  r.client.start();
  await settle();
  r.socket().open();
  await r.clock.pass(14_000);
  assert.ok(r.sockets.length > 1);
});

test('what an old socket says later does not count', async () => {
  const r = await live();
  const old = r.socket();
  r.client.start();
  await settle();
  old.say('board', { at: 99 });
  old.die(4500);
  assert.equal(r.boards.length, 0);
  assert.equal(r.link().state, 'connecting');
});

test('stop stops, also in the middle of everything', async () => {
  const r = await live();
  r.client.stop();
  assert.equal(r.socket().closedWith, 1000);
  assert.equal(r.clock.pending, 0);
  assert.equal(r.link().state, 'off');
  const waiting = await live();
  waiting.socket().die(1006);
  waiting.client.stop();
  await waiting.clock.pass(100_000);
  assert.equal(waiting.sockets.length, 1);
  let give;
  const fetching = rig({ token: () => new Promise((resolve) => { give = resolve; }) });
  fetching.client.start();
  fetching.client.stop();
  give('late');
  await settle();
  assert.equal(fetching.sockets.length, 0);
});

test('hurry tries at once when waiting, and only then', async () => {
  const r = await live();
  r.client.hurry();
  assert.equal(r.sockets.length, 1);
  r.socket().die(1006);
  r.client.hurry();
  await settle();
  assert.equal(r.sockets.length, 2);
  await r.clock.pass(300);
  assert.equal(r.sockets.length, 2);
});

const commands = (socket) => socket.sent.filter((f) => f.id !== undefined);

test('a command is answered by its id, whatever comes in between', async () => {
  const r = await live();
  const answers = [];
  r.client.ask('road', { road: 'a' }).then((a) => answers.push(['a', a]));
  r.client.ask('lift_road', { road: 'b' }).then((a) => answers.push(['b', a]));
  const [one, two] = commands(r.socket());
  assert.deepEqual([one.t, one.b, two.t], ['road', { road: 'a' }, 'lift_road']);
  assert.match(one.id, /^[A-Za-z0-9_.:@-]{1,64}$/);
  assert.notEqual(one.id, two.id);
  r.socket().say('refused', { code: 'rate' });
  r.socket().say('road', { change: { road: 'a' } });
  r.socket().say('refused', { code: 'change_unknown' }, two.id);
  r.socket().say('done', {}, 'somebody-elses');
  r.socket().say('done', {}, one.id);
  r.socket().say('done', {}, one.id);
  await settle();
  assert.deepEqual(answers, [['b', { refused: { code: 'change_unknown' } }], ['a', { done: {} }]]);
  assert.deepEqual(r.refusals, [{ code: 'rate' }]);
  assert.deepEqual(r.roads, [{ change: { road: 'a' } }]);
});

test('what was not answered is sent again as it was, after the truth and in order', async () => {
  const r = await live();
  let done = 0;
  for (const road of ['a', 'b', 'c']) r.client.ask('lift_road', { road }).then(() => done++);
  const before = commands(r.socket());
  r.socket().say('done', {}, before[1].id);
  r.socket().die(1006);
  r.client.ask('lift_road', { road: 'd' }).then(() => done++);
  await r.clock.pass(60_000);
  r.socket().open();
  r.client.ask('lift_road', { road: 'e' }).then(() => done++);
  r.socket().say('welcome', WELCOME);
  assert.deepEqual(commands(r.socket()), []);
  r.socket().say('truth', { at: 1, trips: [] });
  r.socket().say('truth', { at: 2, trips: [] });
  const after = commands(r.socket());
  assert.deepEqual(after.slice(0, 2), [before[0], before[2]]);
  assert.deepEqual(after.map((f) => f.b.road), ['a', 'c', 'd', 'e']);
  for (const f of after) r.socket().say('done', {}, f.id);
  await settle();
  assert.equal(done, 5);
});

test('no more commands wait than the server takes, and stopping ends the waiting', async () => {
  const r = await live();
  const answers = [];
  for (let i = 0; i <= MAX_ASKED; i++) r.client.ask('lift_road', { road: `r${i}` }).then((a) => answers.push(a.refused.code));
  await settle();
  assert.deepEqual(answers, ['rate']);
  assert.equal(commands(r.socket()).length, MAX_ASKED);
  r.client.stop();
  await settle();
  assert.equal(answers.filter((c) => c === 'lost').length, MAX_ASKED);
});

test('a truth in the middle of a connection takes the place of the first', async () => {
  const r = await live();
  const answer = r.client.ask('cancel', { trip: 't1', why: 'other' });
  const sent = r.socket().sent.length;
  r.socket().say('trip', { trip: 't1', version: 9, state: 'parked' });
  r.socket().say('truth', { at: 2, trips: [{ trip: 't1', version: 2, state: 'requested' }] });
  assert.equal(r.socket().sent.length, sent, 'nothing is sent again');
  r.socket().say('board', { at: 3, waiting: [{ trip: 't1', version: 3, state: 'parked' }] });
  assert.equal(r.boards.at(-1).waiting[0].version, 3);
  r.socket().say('done', { trip: 't1', version: 4, state: 'cancelled' }, r.socket().sent.at(-1).id);
  assert.equal((await answer).done.state, 'cancelled');
});

test('receipts are given back on every return', async () => {
  const r = await live();
  const trip = (id, version, state) => ({ trip: id, version, state, receipt: `${id}/${version}` });
  r.socket().say('truth', { at: 2, trips: [trip('t1', 3, 'assigned'), { trip: 't0', version: 1, state: 'parked' }] });
  r.socket().say('trip', trip('t2', 1, 'requested'));
  r.socket().say('trip', trip('t1', 2, 'offered')); // late
  r.socket().say('trip', trip('t2', 4, 'completed'));
  const back = async () => {
    r.socket().die(1006);
    await r.clock.pass(r.link().ms);
    r.socket().open();
    return r.socket().sent[0].b.receipts;
  };
  assert.deepEqual(await back(), ['t2/4', 't1/3']);
  await r.clock.pass(61 * 60_000);
  assert.deepEqual(await back(), ['t1/3'], 'one that ended an hour ago is of no use');
  r.socket().say('refused', { kind: 'not_found', code: 'trip_unknown', say: '', trip: 't1' });
  assert.equal(await back(), undefined, 'nor is that of a trip that is lost');
});

test('receipts are bounded in number and in room', () => {
  const receipts = new Receipts();
  assert.equal(receipts.all(0), undefined);
  for (let i = 0; i <= MAX_RECEIPTS; i++) receipts.take({ trip: `t${i}`, version: 1, state: 'parked', receipt: `r${i}` }, 0);
  const texts = receipts.all(0);
  assert.equal(texts.length, MAX_RECEIPTS);
  assert.equal(texts[0], `r${MAX_RECEIPTS}`);
  assert.ok(!texts.includes('r0'));
  for (let i = 0; i < MAX_RECEIPTS; i++) receipts.take({ trip: `x${i}`, version: 1, state: 'parked', receipt: 'x'.repeat(280) }, 0);
  assert.ok(JSON.stringify(receipts.all(0)).length <= 1500);
  receipts.take({ trip: 'y', version: 1, state: 'parked', receipt: 'y'.repeat(281) }, 0);
  receipts.take({ trip: 'z', version: 1, state: 'parked', receipt: 7 }, 0);
  receipts.take(null, 0);
  assert.ok(receipts.all(0).every((text) => text[0] === 'x'));
});

test('with several addresses it goes to another one every time', async () => {
  const r = await live({ url: ['ws://a/ws', 'ws://b/ws', 'ws://c/ws'], random: () => 0 });
  for (let i = 0; i < 3; i++) {
    r.socket().die(1006);
    await r.clock.pass(r.link().ms + 1);
  }
  assert.deepEqual(r.sockets.map((s) => s.url), ['ws://a/ws', 'ws://b/ws', 'ws://c/ws', 'ws://a/ws']);
});
