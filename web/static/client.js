// The wire: one connection to the server, from hello to close, and back again.
// Nothing here touches the page. The socket, the clock and chance are handed in, so
// that tests can hold all three.

export const PROTOCOL = 'cuntong.v1';
export const SUBPROTOCOL = 'cuntong.v1.json';
export const PROGRAM = 'cuntong-page/1';

/** The longest frame that the server may send; see ws/wire. */
export const MAX_FRAME = 2 << 20;
/** How many commands may wait for their answers; the server takes no more. */
export const MAX_ASKED = 16;
/** How many trips are remembered for their versions. */
export const MAX_TRIPS = 1000;
/** How many receipts are given back in hello, how long the longest is, and what room they may take. */
export const MAX_RECEIPTS = 20;
const MAX_RECEIPT = 280;
const RECEIPT_ROOM = 1500;
/** How long the receipt of a trip that has ended is kept. */
const KEEP_RECEIPT_MS = 60 * 60_000;

/** Back-off: full jitter over a ceiling that doubles from FIRST to LAST. */
export const FIRST_MS = 500;
export const LAST_MS = 30_000;
/** A connection that lasted this long has earned a fresh back-off. */
const STEADY_MS = 10_000;
/** The longest wait that a drain may ask for. */
const LONGEST_DRAIN_MS = 10 * 60_000;
/** How long the server may take from the socket's opening to a welcome. */
const WELCOME_MS = 10_000;
/** A watcher hears a board every second: after this long without a frame the link is tried, then given up. */
const QUIET_MS = 8_000;
const DEAD_MS = 20_000;

// Codes from 4500 on say "not as you are"; these three say so from the standard range.
const BROKEN = new Set([1003, 1007, 1009]);
// The least wait before coming back, where the server asks for one.
const LEAST_WAIT_MS = new Map([[1002, 10_000], [4008, 1000], [4010, 1000], [4013, 10_000], [4014, 30_000]]);
// What a person can do about a close that does not heal by itself.
const FATAL = new Map([[4500, 'token'], [4502, 'token'], [4503, 'token'], [4505, 'token'], [4506, 'token'], [4504, 'replaced']]);

/** Says whether to connect again after a close, as the table of close codes has it. */
export function comeBack(code) {
  return !BROKEN.has(code) && !(code >= 4500 && code <= 4999);
}

/** The least time to wait after a close with this code. */
export function leastWait(code) {
  return LEAST_WAIT_MS.get(code) ?? 0;
}

/**
 * Full jitter: any time up to a ceiling that doubles with every failure. Spreading
 * over the whole span, zero included, is what brings a county back without a rush.
 * (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.)
 */
export function backoff(failures, random) {
  const ceiling = Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(failures, 16));
  return Math.floor(random() * ceiling);
}

/** FrameError is a frame that is not what the protocol has. */
export class FrameError extends Error {}

/** Reads a frame. Unknown fields and unknown types pass; nonsense throws. */
export function decode(text) {
  if (typeof text !== 'string') throw new FrameError('not a text frame');
  if (text.length > MAX_FRAME) throw new FrameError('frame too long');
  let frame;
  try {
    frame = JSON.parse(text);
  } catch {
    throw new FrameError('not JSON');
  }
  if (!isObject(frame) || typeof frame.t !== 'string') throw new FrameError('no type');
  if (!isObject(frame.b)) throw new FrameError('no body');
  return { t: frame.t, re: typeof frame.re === 'string' ? frame.re : '', b: frame.b };
}

/** Writes a frame; one that carries a command has an id. */
export function encode(type, body, id) {
  return JSON.stringify({ t: type, id, b: body });
}

function isObject(v) {
  return typeof v === 'object' && v !== null && !Array.isArray(v);
}

/**
 * The newest version of every trip that was told. An older version is no news; the
 * same version is taken again, because a place in the queue changes without one.
 * Whoever was told of longest ago is forgotten first.
 */
export class Newest {
  #trips = new Map();

  clear() {
    this.#trips.clear();
  }

  /** Returns the newest known version of the trip, which may be the one given. */
  take(trip) {
    const known = this.#trips.get(trip?.trip);
    if (known && known.version > trip.version) return known;
    if (typeof trip?.trip === 'string' && Number.isFinite(trip.version)) {
      this.#trips.delete(trip.trip);
      this.#trips.set(trip.trip, trip);
      if (this.#trips.size > MAX_TRIPS) this.#trips.delete(this.#trips.keys().next().value);
    }
    return trip;
  }

  /** Puts the newest version into every row of a board. */
  refresh(board) {
    for (const list of ['waiting', 'driving', 'ended']) {
      if (Array.isArray(board[list])) board[list] = board[list].map((trip) => this.take(trip));
    }
    return board;
  }
}

/**
 * The newest receipt of every trip of one's own: what the server said of it, sealed by
 * the server. They are given back in hello, in case the server has lost something.
 */
export class Receipts {
  #kept = new Map();

  /** Takes the receipt of a trip, if it has one. */
  take(trip, now) {
    const text = trip?.receipt;
    if (typeof text !== 'string' || text === '' || text.length > MAX_RECEIPT) return;
    if (this.#kept.get(trip.trip)?.version > trip.version) return;
    const over = ['completed', 'cancelled', 'unserved'].includes(trip.state);
    this.#kept.delete(trip.trip);
    this.#kept.set(trip.trip, { version: trip.version, text, ended: over ? now : null });
    if (this.#kept.size > MAX_RECEIPTS) this.#kept.delete(this.#kept.keys().next().value);
  }

  /** Forgets the receipt of a trip that the server has lost. */
  drop(trip) {
    this.#kept.delete(trip);
  }

  /** Returns those to be given back, newest first; undefined when there are none. */
  all(now) {
    const texts = [];
    let room = RECEIPT_ROOM;
    for (const [trip, { text, ended }] of [...this.#kept].reverse()) {
      if (ended !== null && now - ended > KEEP_RECEIPT_MS) this.#kept.delete(trip);
      else if ((room -= text.length + 3) >= 0) texts.push(text);
    }
    return texts.length ? texts : undefined;
  }
}

/**
 * Client keeps one connection for an operator who watches.
 *
 * on.link(state, detail) is called with every change of:
 *   'connecting'                     a socket is being opened
 *   'live'      {welcome}            boards are on their way
 *   'waiting'   {ms, code, planned}  the link is lost; the next try comes in ms
 *   'token'     {code}               the server wants another token, or a person without one
 *   'replaced'  {code}               connected elsewhere; start() again if a person asks
 *   'broken'    {code, why}          server and page do not understand each other
 *   'off'                            stop() was called
 * on.board(board) with every board, newest only. on.road(body) with what a change to
 * the roads concerns. on.look(body) with what a close look shows. on.refused(body) with every refusal that answers no command.
 */
export class Client {
  #urls; #token; #on; #open; #clock; #random;
  #socket = null; #run = 0; #timer = null; #beat = null;
  #failures = 0; #liveAt = 0; #heardAt = 0; #boardAt = 0; #drainMs = null;
  #newest = new Newest();
  #receipts = new Receipts();
  #server = 0;
  #asked = new Map(); #told = false; #count = 0; #name = '';

  /**
   * url is the server's address, or a list of several servers' addresses: after every
   * connection that ended, and every one that could not be made, another one is tried.
   * token() returns a promise of a token, '' when a person has to give one first.
   */
  constructor({ url, token, on, open, clock = globalThis, random = Math.random }) {
    this.#urls = [url].flat();
    this.#token = token;
    this.#on = on;
    this.#open = open ?? ((u, p) => new WebSocket(u, p));
    this.#clock = clock;
    this.#random = random;
    this.#server = Math.floor(random() * this.#urls.length);
    this.#name = Math.floor(random() * 2 ** 40).toString(36);
  }

  /** Connects, now. What was going on before is dropped. */
  start() {
    this.#drop();
    this.#giveBack();
    this.#failures = 0;
    this.#connect();
  }

  /** Closes, for good until start(). */
  stop() {
    this.#drop();
    this.#giveBack();
    this.#on.link('off', {});
  }

  /**
   * Sends a command and returns a promise of its answer: {done} or {refused}. Until it
   * is answered it is sent again, as it was, on every new connection: the server knows
   * a repeat by its id. start() and stop() end the waiting.
   */
  ask(type, body) {
    if (this.#asked.size >= MAX_ASKED) return Promise.resolve({ refused: { kind: 'limited', code: 'rate', say: '' } });
    const id = `${this.#name}-${this.#now().toString(36)}-${++this.#count}`;
    return new Promise((answer) => {
      this.#asked.set(id, { type, body, answer });
      if (this.#told) this.#send(type, body, id);
    });
  }

  // Nobody knows what became of these.
  #giveBack() {
    for (const { answer } of this.#asked.values()) answer({ refused: { kind: 'unavailable', code: 'lost', say: '' } });
    this.#asked.clear();
  }

  #answered(id, what) {
    this.#asked.get(id)?.answer(what);
    return this.#asked.delete(id);
  }

  /** Tries at once instead of waiting, if it is waiting: the machine is back on line. */
  hurry() {
    if (this.#socket || this.#timer === null || this.#drainMs !== null) return;
    this.#clock.clearTimeout(this.#timer);
    this.#connect();
  }

  #now() {
    return this.#clock.Date.now();
  }

  #drop() {
    this.#run++;
    this.#told = false;
    this.#clock.clearTimeout(this.#timer);
    this.#clock.clearTimeout(this.#beat);
    this.#timer = this.#beat = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket) socket.close(1000);
  }

  async #connect() {
    const run = ++this.#run;
    this.#timer = null;
    this.#drainMs = null;
    this.#on.link('connecting', {});
    let token;
    try {
      token = await this.#token();
    } catch {
      if (run === this.#run) this.#later(0, 0);
      return;
    }
    if (run !== this.#run) return;
    if (!token) {
      this.#on.link('token', { code: 0 });
      return;
    }
    this.#dial(run, token);
  }

  #dial(run, token) {
    let socket;
    try {
      socket = this.#open(this.#urls[this.#server], [SUBPROTOCOL]);
    } catch {
      this.#later(0, 0);
      return;
    }
    this.#socket = socket;
    this.#liveAt = 0;
    this.#heardAt = this.#now();
    const ours = (f) => (event) => {
      if (run === this.#run) f(event);
    };
    socket.onopen = ours(() => this.#hello(token));
    socket.onmessage = ours((event) => this.#heard(event.data));
    socket.onclose = ours((event) => this.#closed(event.code));
    this.#watchOver(run);
  }

  #hello(token) {
    this.#heardAt = this.#now();
    this.#send('hello', { token, now_ms: this.#now(), client: PROGRAM, receipts: this.#receipts.all(this.#now()) });
  }

  #send(type, body, id) {
    if (this.#socket?.readyState === 1) this.#socket.send(encode(type, body, id));
  }

  // A phone line that died says nothing. Whoever stays quiet is asked, then given up.
  #watchOver(run) {
    this.#beat = this.#clock.setTimeout(() => {
      if (run !== this.#run) return;
      const quiet = this.#now() - this.#heardAt;
      if (quiet >= (this.#liveAt ? DEAD_MS : WELCOME_MS)) {
        this.#giveUp();
        return;
      }
      if (this.#liveAt && quiet >= QUIET_MS) this.#send('ping', {});
      this.#watchOver(run);
    }, 4000);
  }

  #giveUp() {
    const socket = this.#socket;
    this.#closed(1006);
    socket?.close(1000);
  }

  #heard(data) {
    this.#heardAt = this.#now();
    let frame;
    try {
      frame = decode(data);
    } catch (err) {
      if (!(err instanceof FrameError)) throw err;
      return; // one bad frame is no reason to leave
    }
    this.#take(frame);
  }

  #take({ t, re, b }) {
    switch (t) {
      case 'welcome': return this.#welcomed(b);
      case 'truth': return this.#truth(b);
      case 'trip': return void this.#trip(b);
      case 'board': return this.#board(b);
      case 'drain': return void (this.#drainMs = clamp(b.come_back_after_ms, 0, LONGEST_DRAIN_MS));
      case 'road': return this.#on.road?.(b);
      case 'look': return this.#on.look?.(b);
      case 'done': return void this.#answered(re, { done: b });
      case 'refused': return this.#refused(re, b);
    }
  }

  #welcomed(b) {
    if (b.protocol !== PROTOCOL) return this.#stuck('broken', { code: 0, why: 'protocol' });
    if (b.role !== 'operator') return this.#stuck('token', { code: 0, why: 'role' });
    this.#liveAt = this.#now();
    this.#boardAt = 0;
    this.#newest.clear();
    this.#on.link('live', { welcome: b });
    this.#send('watch', { on: true });
  }

  #refused(re, b) {
    if (this.#answered(re, { refused: b })) return;
    if (b.code === 'trip_unknown') this.#receipts.drop(b.trip);
    this.#on.refused?.(b);
  }

  #trip(b) {
    this.#newest.take(b);
    this.#receipts.take(b, this.#now());
  }

  // It may come again at any time. Commands are sent again after the first one only.
  #truth(b) {
    this.#newest.clear();
    if (Array.isArray(b.trips)) for (const trip of b.trips) this.#trip(trip);
    if (this.#told) return;
    this.#told = true;
    for (const [id, { type, body }] of this.#asked) this.#send(type, body, id);
  }

  #board(b) {
    if (!(b.at >= this.#boardAt)) return;
    this.#boardAt = b.at;
    this.#on.board(this.#newest.refresh(b));
  }

  #stuck(state, detail) {
    this.#drop();
    this.#on.link(state, detail);
  }

  #closed(code) {
    this.#run++;
    this.#told = false;
    this.#clock.clearTimeout(this.#beat);
    this.#socket = null;
    if (!comeBack(code)) {
      this.#on.link(FATAL.get(code) ?? 'broken', { code, why: 'close' });
      return;
    }
    this.#later(code, leastWait(code));
  }

  // A planned close brings its own wait, drawn by the server for each client.
  #later(code, least) {
    if (this.#liveAt && this.#now() - this.#liveAt >= STEADY_MS) this.#failures = 0;
    this.#liveAt = 0;
    this.#elsewhere();
    const planned = this.#drainMs !== null;
    const ms = planned ? this.#drainMs : least + backoff(this.#failures++, this.#random);
    this.#timer = this.#clock.setTimeout(() => this.#connect(), ms);
    this.#on.link('waiting', { ms, code, planned });
  }

  // Any of the others: those who leave a server together do not all go to its neighbour.
  #elsewhere() {
    const others = this.#urls.length - 1;
    if (others > 0) this.#server = (this.#server + 1 + Math.floor(this.#random() * others)) % (others + 1);
  }
}

function clamp(v, low, high) {
  return Number.isFinite(v) ? Math.min(high, Math.max(low, v)) : low;
}
