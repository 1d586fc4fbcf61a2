// From what the server sends to what the page shows. Everything that comes out of
// here has the right type and a bounded length, whatever went in.

/** The most rows and drivers that are shown; as many as the server sends. */
export const MAX_ROWS = 50;
export const MAX_DRIVERS = 500;
/** The most signs of a doubted driver. */
const MAX_SIGNS = 8;
/** The longest word that is shown. Names on the wire have at most 64 characters; a newer server may differ. */
export const MAX_TEXT = 200;

/** What a trip looks like from far away: its state, as marks and colours have it. */
const LOOK = new Map([
  ['requested', 'waiting'], ['parked', 'waiting'], ['offered', 'asked'],
  ['assigned', 'coming'], ['arrived', 'coming'], ['riding', 'riding'],
  ['completed', 'done'], ['cancelled', 'ended'], ['unserved', 'ended'],
]);

/** The mark for a trip's state; 'other' for one that this page does not know. */
export function look(state) {
  return LOOK.get(state) ?? 'other';
}

/** Reads a board. Nothing in it is taken on trust. */
export function readBoard(b) {
  const waiting = list(b.waiting, MAX_ROWS, readTrip);
  const driving = list(b.driving, MAX_ROWS, readTrip);
  const ended = list(b.ended, MAX_ROWS, readTrip);
  const bars = list(b.bars, MAX_ROWS, readBar);
  const kept = new Set(bars.filter((bar) => bar.role === 'driver').map((bar) => bar.who));
  const drivers = list(b.drivers, MAX_DRIVERS, readDriver).map((d) => ({ ...d, barred: kept.has(d.id) }));
  const at = number(b.at, 0);
  return {
    at,
    area: text(b.area),
    waiting, driving, ended, drivers,
    roads: list(b.roads, MAX_ROWS, readRoad),
    bars,
    numbers: tally(b, at, waiting, ended),
    latency: readLatency(b.latency),
  };
}

function tally(b, at, waiting, ended) {
  const counts = object(b.counts);
  const of = (...states) => states.reduce((sum, s) => sum + count(counts, s), 0);
  const completed = ended.filter((t) => t.state === 'completed').length;
  const onDuty = whole(b.on_duty);
  const free = Math.min(whole(b.free), onDuty);
  const silent = Math.min(whole(b.silent), onDuty - free);
  return {
    waiting: of('requested', 'parked'),
    asked: of('offered'),
    coming: of('assigned', 'arrived'),
    arrived: of('arrived'),
    riding: of('riding'),
    completed,
    ended: ended.length,
    cancelled: ended.filter((t) => t.state === 'cancelled').length,
    unserved: ended.filter((t) => t.state === 'unserved').length,
    longestMs: waiting.reduce((most, t) => Math.max(most, at - t.requestedAt), 0),
    onDuty, free, silent,
    busy: onDuty - free - silent,
  };
}

function count(counts, state) {
  return Object.hasOwn(counts, state) ? whole(counts[state]) : 0;
}

/** Reads a trip; null when it has no name. */
export function readTrip(t) {
  const id = text(t.trip);
  if (id === '') return null;
  const driver = object(t.driver);
  const queue = object(t.queue);
  const end = object(t.ended);
  return {
    id,
    state: text(t.state),
    look: look(t.state),
    pickup: readPlace(t.pickup),
    dropoff: readPlace(t.dropoff),
    seats: whole(t.seats),
    wheelchairs: whole(t.wheelchairs),
    goods: whole(t.goods_l),
    requestedAt: number(t.requested_at, 0),
    since: number(t.since, 0),
    givesUpAt: number(t.gives_up_at, 0),
    eta: number(t.pickup_eta, 0),
    cut: t.cut === true,
    overdue: whole(t.overdue),
    place: whole(queue.place),
    booker: text(object(t.booker).role),
    driver: text(driver.id),
    vehicle: readVehicle(driver.vehicle),
    endedBy: text(end.by_role),
    endedWhy: text(end.why),
  };
}

/** Reads a change to the roads; null when it has no name. */
export function readRoad(r) {
  const change = object(object(r).change);
  const id = text(change.road);
  if (id === '') return null;
  const where = object(change.where);
  const extent = object(r.extent);
  const names = Array.isArray(extent.names) ? extent.names.slice(0, 8).map(text).filter(Boolean) : [];
  return {
    id,
    point: readPoint(where),
    radius: whole(where.radius_m),
    closed: change.closed === true,
    pace: change.pace > 0 && change.pace < 1 ? change.pace : 1,
    limits: { kg: whole(change.max_kg), height: whole(change.max_height_cm), width: whole(change.max_width_cm) },
    from: number(change.from, 0),
    until: number(change.until, 0),
    note: text(change.note),
    segments: whole(extent.segments),
    length: whole(extent.length_m),
    names,
    inForce: object(r).in_force === true,
  };
}

/** Reads who is kept out; null when nobody is named. Its id tells a driver from a passenger of the same name. */
function readBar(b) {
  const [role, who] = [text(b.role), text(b.id)];
  if (role === '' || who === '') return null;
  return { id: `${role} ${who}`, role, who, until: number(b.until, 0), at: number(b.at, 0), reason: text(b.reason) };
}

/** Reads a driver of a board, or of a close look; null when he has no name. */
export function readDriver(d) {
  const id = text(d.id);
  if (id === '') return null;
  const fix = readPoint(d.position);
  const lostAt = Math.max(0, number(d.lost_at, 0));
  const state = text(d.state);
  return {
    id,
    vehicle: readVehicle(d.vehicle),
    trip: text(d.trip),
    state,
    look: fix === null || (lostAt > 0 && state === '') ? 'silent' : state === '' ? 'free' : look(state),
    away: fix === null || lostAt > 0, // nobody can tell him anything
    lostAt,
    unseen: d.unseen === true,
    linkMs: whole(d.link_ms),
    fix,
    accuracy: fix === null ? 0 : whole(d.position.accuracy_m),
    trust: ['doubtful', 'poor'].includes(d.trust) ? d.trust : '',
    signs: readSigns(d.signs),
    ageMs: fix === null ? 0 : Math.max(0, number(d.position.age_ms, 0)),
  };
}

function readSigns(v) {
  return Array.isArray(v) ? [...new Set(v.slice(0, MAX_SIGNS).map(text))].filter(Boolean) : [];
}

function readVehicle(v) {
  const o = object(v);
  return { plate: text(o.id), kind: text(o.class), seats: whole(o.seats) };
}

function readPlace(p) {
  const o = object(p);
  const name = text(o.name) || [text(o.village), text(o.stop)].filter(Boolean).join(' ');
  return { name, village: text(o.village), stop: text(o.stop), note: text(o.note), point: readPoint(p) };
}

// The server speaks only WGS-84; anything else would be drawn in the wrong place.
function readPoint(p) {
  const o = object(p);
  const ok = Number.isFinite(o.lat) && Number.isFinite(o.lon) && Math.abs(o.lat) <= 90 && Math.abs(o.lon) <= 180;
  if (!ok || (o.lat === 0 && o.lon === 0) || (o.datum ?? 'wgs84') !== 'wgs84') return null;
  return { lat: o.lat, lon: o.lon };
}

function readLatency(l) {
  const o = object(l);
  const p50 = number(o.request_to_offer_p50_ms, -1);
  const p99 = number(o.request_to_offer_p99_ms, -1);
  if (p50 < 0 || p99 < 0 || whole(o.count) === 0) return null;
  return { p50, p99, count: whole(o.count) };
}

function list(v, max, read) {
  if (!Array.isArray(v)) return [];
  const seen = new Set();
  const out = [];
  for (const item of v.slice(0, max)) {
    const row = read(object(item));
    if (row === null || seen.has(row.id)) continue;
    seen.add(row.id);
    out.push(row);
  }
  return out;
}

function object(v) {
  return typeof v === 'object' && v !== null ? v : {};
}

function number(v, otherwise) {
  return Number.isFinite(v) ? v : otherwise;
}

function whole(v) {
  return Number.isFinite(v) && v > 0 ? Math.min(Math.floor(v), 1e9) : 0;
}

// Characters that draw nothing and move their neighbours about: controls, and the
// marks that turn the direction of writing. A name is to stay in its place.
const UNSEEN = /[\p{Cc}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFFF9-\uFFFB]/gu;

/** Returns v as a word to show: '' for what is no string, without unseen characters, bounded. */
export function text(v) {
  if (typeof v !== 'string') return '';
  const clean = v.slice(0, 4 * MAX_TEXT).replace(UNSEEN, '').trim();
  const runes = [...clean];
  return runes.length > MAX_TEXT ? runes.slice(0, MAX_TEXT - 1).join('') + '…' : clean;
}

/**
 * Villages keeps the places that trips have named, so that the plan does not forget
 * a village when its last trip ends. Bounded: who was named longest ago goes first.
 */
export class Villages {
  #max; #known = new Map();

  constructor(max = 400) {
    this.#max = max;
  }

  /** Learns the places of a board. */
  learn(board) {
    for (const trips of [board.ended, board.driving, board.waiting]) {
      for (const t of trips) {
        this.#meet(t.pickup);
        this.#meet(t.dropoff);
      }
    }
  }

  #meet(place) {
    if (place.point === null) return;
    const key = place.village || `${place.point.lat.toFixed(3)},${place.point.lon.toFixed(3)}`;
    const known = this.#known.get(key);
    this.#known.delete(key);
    this.#known.set(key, {
      key,
      name: known ? common(known.name, villageOf(place)) : villageOf(place),
      point: known?.point ?? place.point,
      named: Math.min((known?.named ?? 0) + 1, 1e9),
    });
    if (this.#known.size > this.#max) this.#known.delete(this.#known.keys().next().value);
  }

  /** All known places, those named most lately last. */
  all() {
    return [...this.#known.values()];
  }
}

// A stop is named after its village and itself: 肇兴 寨门.
function villageOf({ name, stop }) {
  const cut = name.lastIndexOf(' ');
  return stop !== '' && cut > 0 ? name.slice(0, cut) : name;
}

// What two stops of one village have in common is the village's name.
function common(a, b) {
  if (a === b || a === '' || b === '') return a || b;
  const [x, y] = [[...a], [...b]];
  let n = 0;
  while (n < x.length && n < y.length && x[n] === y[n]) n++;
  return x.slice(0, n).join('').trim() || a;
}
