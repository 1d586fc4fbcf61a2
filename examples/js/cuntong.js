// A small client of cuntong.v1.json for browsers and Node, without dependencies, written
// from docs/PROTOCOL.md. It comes back by itself, repeats commands under their ids until
// they are answered, keeps what a driver does without a signal, and sends it in order.
//
//   const c = new Cuntong({ urls: ['wss://dispatch.example/ws'], role: 'driver', token: async () => '…', on: (kind, x) => … });
//   c.start(); c.do('duty', { on: true });
//
// With `tickets: true` the token is shown to POST /ticket and not on the connection: what stands
// in the connection's address is then good once, for 30 s.
//
// `on` is called with: 'up' (welcome), 'picture' (the picture has changed), 'told' (a
// frame), 'answered' ({ command, done | refused }), 'down' ({ code, wait }), 'ended' (code).

const DEEDS = new Set(['arrive', 'start', 'complete', 'paid', 'release', 'cancel']);
const LEAST = { 1002: 10_000, 4008: 1_000, 4010: 1_000, 4013: 10_000, 4014: 30_000 };
const FINAL = new Set([1003, 1007, 1009]);
const ORDER = ['pickup', 'dropoff', 'seats', 'wheelchairs', 'goods_l', 'channel', 'requested_at', 'pickup_from', 'pickup_to', 'arrive_by', 'booker', 'traveller'];
const BOUND = new Set(['assigned', 'arrived', 'riding']);
const AFTER = { accept: 'assigned', arrive: 'arrived', start: 'riding', complete: 'completed', release: 'requested', cancel: 'cancelled' };
const REPEAT_MS = 10_000, PING_MS = 25_000, SILENT_MS = 60_000, STEADY_MS = 60_000, NOW_MS = 2_000;
const MAX_FIXES = 720, PIECE = 25, FIX_MS = 4_000; // 25 positions fit into a frame of 4,096 bytes

/** Whether a client comes back after a close with that code. */
export const comesBack = (code) => !FINAL.has(code) && (code < 4500 || code > 4999);

/**
 * How long to wait before coming back, in ms: full jitter and the least wait of the code; or
 * what the server has drawn for us, and a little.
 */
export function backoff(failures, code, drained, random = Math.random) {
  if (drained > 0) return drained + random() * 1_000;
  return random() * Math.min(60_000, 1_000 * 2 ** Math.min(failures, 16)) + (LEAST[code] ?? 0);
}

/** Fetches a ticket for the server at that address; '' where it gives none, or judges the token itself. */
async function fetchTicket(url, token) {
  const answer = await fetch(new URL('ticket', url.replace(/^ws/, 'http')), { method: 'POST', headers: { Authorization: `Bearer ${token}` }, cache: 'no-store' });
  if (answer.status === 404 || answer.status === 401) return '';
  if (!answer.ok) throw new Error(`no ticket: ${answer.status}`);
  return (await answer.json()).ticket;
}

export class Cuntong {
  picture = { fresh: false, duty: null, offer: null, trips: new Map() };
  #o; #ws = null; #ready = false; #failures = 0; #drained = 0; #timer = 0; #tick = 0; #since = 0; #heard = 0; #pinged = 0; #slow = 0;
  #state = { who: '', ids: '', named: 0, seq: 0, calls: [], fixes: [], receipts: {}, trips: [] };
  #over = true; #session = 0; #at = 0; #inherited = 0; #expired = null; #token = null;

  constructor(options) {
    this.#o = { on() {}, random: Math.random, open: (url, p) => new WebSocket(url, p), store: globalThis.localStorage, key: 'cuntong', name: 'cuntong-js/1', ...options };
    const kept = this.#o.store?.getItem(this.#o.key);
    if (kept) Object.assign(this.#state, JSON.parse(kept));
    this.#state.ids ||= Array.from({ length: 9 }, () => Math.floor(this.#o.random() * 36).toString(36)).join('');
    this.#inherited = this.#state.calls.length;
    for (const trip of this.#state.trips) this.picture.trips.set(trip.trip, trip);
    this.#at = Math.floor(this.#o.random() * this.#o.urls.length);
  }

  start() {
    this.#over = false;
    this.#tick = setInterval(() => this.#pulse(), 1_000);
    this.#connect();
  }

  stop() {
    this.#over = true;
    clearTimeout(this.#timer);
    clearInterval(this.#tick);
    this.#ws?.close(1000);
  }

  /** Commands without an answer. */
  get open() { return this.#state.calls.length; }

  /** Positions that wait to be sent as a track. */
  get dark() { return this.#state.fixes.length; }

  /** Gives a command and returns its id. It is sent until it is answered. */
  do(t, b = {}) {
    const c = { id: `${this.#state.ids}-${++this.#state.named}`, t, b };
    if (this.#o.role === 'driver' && DEEDS.has(t)) Object.assign(c, { at: Date.now(), seq: ++this.#state.seq });
    this.#state.calls.push(c);
    this.#save();
    this.#send();
    return c.id;
  }

  /** Asks a question, which is not repeated. */
  ask(t, b = {}) { if (this.#ready) this.#write({ t, b }); }

  /** Says where a driver is: { lat, lon, datum, at, … }. */
  position(p) {
    if (this.#ready && this.#ws.readyState === 1) return this.#write({ t: 'position', b: p });
    const { fixes } = this.#state;
    if (![...this.picture.trips.values()].some((trip) => BOUND.has(this.shown(trip)))) return;
    if (fixes.length && p.at - fixes.at(-1).at < FIX_MS) return;
    fixes.push(p);
    if (fixes.length >= MAX_FIXES) this.#state.fixes = fixes.filter((_, i) => i % 2 === 0); // coarser
    if (fixes.length % 20 === 0) this.#save();
  }

  /** The state of a trip as its driver sees it: the server's, and what he has done since. */
  shown(trip) {
    return this.#state.calls.filter((c) => c.b.trip === trip.trip && AFTER[c.t]).reduce((_, c) => AFTER[c.t], trip.state);
  }

  /** Keeps what must survive a restart; the trips too, so that a ride can be finished after one. */
  #save() {
    this.#state.trips = [...this.picture.trips.values()].filter((t) => BOUND.has(t.state));
    this.#o.store?.setItem(this.#o.key, JSON.stringify(this.#state));
  }

  async #connect() {
    const url = this.#o.urls[this.#at++ % this.#o.urls.length];
    let token, ticket = '';
    try {
      token = await this.#o.token();
      if (this.#o.tickets && token !== this.#expired) ticket = await fetchTicket(url, token);
    } catch {
      return this.#down(1006);
    }
    if (this.#over) return;
    if (token === this.#expired) return this.#end(4503);
    this.#token = token;
    const ws = this.#ws = this.#o.open(ticket ? `${url}?ticket=${encodeURIComponent(ticket)}` : url, ['cuntong.v1.json']);
    this.#session++;
    this.#since = this.#heard = this.#pinged = Date.now();
    ws.onopen = () => this.#write({ t: 'hello', b: this.#hello(ticket ? undefined : token) });
    ws.onmessage = (e) => ws === this.#ws && this.#take(JSON.parse(e.data));
    ws.onclose = (e) => ws === this.#ws && this.#down(e.code);
  }

  #hello(token) {
    const known = [...this.picture.trips.values()].slice(-20).map(({ trip, version }) => ({ trip, version }));
    const receipts = Object.values(this.#state.receipts).slice(-5).reverse().map((r) => r.text);
    const b = { token, now_ms: Date.now(), client: this.#o.name, lean: true };
    if (this.#o.role === 'driver') b.confirms = true;
    if (this.#o.device) b.device = this.#o.device;
    if (known.length) b.known = known;
    if (receipts.length) b.receipts = receipts;
    return b;
  }

  #down(code) {
    const lasted = Date.now() - this.#since >= STEADY_MS && this.#ready;
    this.#ready = this.picture.fresh = false;
    this.#ws = null;
    if (this.#over) return;
    if (code === 4503) this.#expired = this.#token; // the next token may be another one
    else if (!comesBack(code)) return this.#end(code);
    if (lasted) this.#failures = 0;
    const wait = backoff(this.#failures, code, this.#drained, this.#o.random);
    if (this.#drained <= 0) this.#failures++;
    this.#drained = 0;
    this.#o.on('down', { code, wait });
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  #end(code) {
    this.stop();
    this.#o.on('ended', code);
  }

  /** Who shared the phone before left things that are none of this one's. */
  #met({ role, id }) {
    const who = `${role} ${id}`, s = this.#state;
    if (s.who && s.who !== who) {
      s.calls.splice(0, this.#inherited);
      Object.assign(s, { fixes: [], receipts: {} });
      this.picture.trips.clear();
    }
    this.#inherited = 0;
    s.who = who;
    this.#save();
  }

  #write(frame) { if (this.#ws?.readyState === 1) this.#ws.send(JSON.stringify(frame)); }

  /** Once a second: is anything heard, does anything wait too long. */
  #pulse() {
    const now = Date.now();
    if (!this.#ws) return;
    if (now - this.#heard >= SILENT_MS) return this.#drop();
    if (this.#ready && now - this.#pinged >= PING_MS) { this.#pinged = now; this.#write({ t: 'ping', b: {} }); }
    this.#send();
  }

  /** A dead connection may take minutes to close: it is left alone. */
  #drop() { const ws = this.#ws; this.#down(1006); ws.close(); }

  /** Sends what may be sent: a driver's commands one by one, those of others by trip; then the track. */
  #send() {
    if (!this.#ready) return;
    const now = Date.now(), before = new Set();
    for (const c of this.#state.calls) {
      const key = this.#o.role === 'driver' ? '' : c.b.trip ?? c.id;
      if (!before.has(key) && !(c.session === this.#session && now - c.sent < REPEAT_MS + this.#slow) && !(c.due > now)) {
        if (c.at && (c.sent || now - c.at > NOW_MS)) Object.assign(c.b, { at: c.at, seq: c.seq });
        Object.assign(c, { session: this.#session, sent: now });
        this.#write({ t: c.t, id: c.id, b: c.b });
      }
      before.add(key);
    }
    if (!this.#state.calls.length && this.#state.fixes.length) {
      const piece = this.#state.fixes.splice(0, PIECE), { datum } = piece[0];
      this.do('track', { datum, fixes: piece.map(({ datum: _, ...f }) => f) });
    }
  }

  #take({ t, re, b }) {
    this.#heard = Date.now();
    if (t === 'done' || (t === 'refused' && re)) return this.#answered(t, re, b);
    const p = this.picture;
    if (t === 'welcome') this.#met(b);
    if (t === 'truth') {
      const old = p.trips;
      p.trips = new Map();
      for (const trip of b.trips) p.trips.set(trip.trip, this.#whole(old.get(trip.trip), trip));
      for (const id of b.same ?? []) if (old.has(id)) p.trips.set(id, old.get(id));
      Object.assign(p, { fresh: true, duty: b.duty ?? null });
      this.#offer(b.offer ?? null);
      this.#ready = true;
      this.#save();
    } else if (t === 'trip') {
      if (p.trips.has(b.trip) && p.trips.get(b.trip).version >= b.version) return;
      p.trips.set(b.trip, this.#whole(p.trips.get(b.trip), b));
      if (p.offer?.trip === b.trip && b.version > p.offer.version) p.offer = null;
      this.#save();
    } else if (t === 'offer') this.#offer(b);
    else if (t === 'offer_gone' && p.offer?.offer === b.offer) p.offer = null;
    else if (t === 'duty') p.duty = b.on ? b : null;
    else if (t === 'drain') this.#drained = b.come_back_after_ms;
    if (t === 'welcome') this.#slow = Math.min(Date.now() - this.#since, 30_000); // a round trip, and more
    this.#o.on(t === 'welcome' ? 'up' : 'told', t === 'welcome' ? b : { t, b });
    this.#o.on('picture', p);
    this.#send();
  }

  #offer(offer) {
    this.picture.offer = offer;
    if (offer?.confirm_s) this.#write({ t: 'seen', b: { trip: offer.trip, offer: offer.offer } });
  }

  /** A trip with its order, which a lean one leaves to what is held; and its receipt kept. */
  #whole(old, trip) {
    if (trip.receipt) {
      delete this.#state.receipts[trip.trip];
      this.#state.receipts[trip.trip] = { text: trip.receipt };
      for (const id of Object.keys(this.#state.receipts).slice(0, -20)) delete this.#state.receipts[id];
    }
    if (trip.pickup || !old) return trip;
    return { ...Object.fromEntries(ORDER.filter((k) => k in old).map((k) => [k, old[k]])), ...(old.ride && { ride: old.ride }), ...trip };
  }

  #answered(t, re, b) {
    const i = this.#state.calls.findIndex((c) => c.id === re), c = this.#state.calls[i];
    if (!c) return;
    if (t === 'refused' && (b.kind === 'unavailable' || (b.kind === 'limited' && b.retry_after_ms && c.t !== 'cancel'))) {
      Object.assign(c, { session: 0, due: Date.now() + (b.retry_after_ms ?? 1_000) * (1 + this.#o.random() / 4) });
      return;
    }
    this.#state.calls.splice(i, 1);
    if (this.picture.offer && this.picture.offer.offer === c.b.offer) this.picture.offer = null;
    this.#save();
    this.#o.on('answered', { command: c, [t]: b });
    this.#send();
  }
}
