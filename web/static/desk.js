// The desk: which drivers to watch, a close look at a driver or a trip, and who is kept
// out. Whoever looks says why, and the server records it; the page says so, too.

import { MAX_ROWS, readDriver, readTrip, text } from './board.js';
import { writePlace } from './changes.js';
import { mark, setMark } from './marks.js';
import { doubtOf, el, keepRows, options, put, putName, reachOf } from './page.js';

const $ = (id) => document.getElementById(id);

const HOUR_MS = 3_600_000;
const SURE_MS = 5000; // how long a button asks back before it forgets
const SHOWN_MS = 10 * 60_000; // how long what was seen stays on a screen that others see
const SPANS = [[1, 'deskHour'], [24, 'roadDay'], [168, 'roadWeek'], [0, 'roadOpen']];
const USUAL_HOURS = 24;
const ACTS = ['look driver', 'look trip', 'bar driver', 'bar passenger', 'bar agent', 'bar operator'];

/** The body of a close look at a driver or a trip. */
export function lookBody({ kind, id, reason }) {
  return { [kind]: id, reason };
}

/** The body of a bar; hours from now, 0 is until it is lifted. */
export function barBody({ role, id, hours, reason }, now) {
  return { role, id, ...(hours > 0 && { until: Math.round(now + hours * HOUR_MS) }), reason };
}

// Who needs a person first: somebody on board with a driver whom nobody can reach.
function urgency(d) {
  if (d.barred && d.trip) return 0;
  if (d.away && d.trip) return 1;
  if (d.trust === 'poor') return 2;
  if (d.unseen) return 3;
  if (d.trust) return 4;
  return d.away ? 5 : 6;
}

/** The drivers of a board who need watching, the most urgent first. */
export function concerns(board) {
  const worth = new Map(board.drivers.map((d) => [d, urgency(d)]));
  return board.drivers.filter((d) => worth.get(d) < 6).sort((a, b) => worth.get(a) - worth.get(b) || (a.id < b.id ? -1 : 1));
}

/** Why a driver needs watching, in words. */
export function concernOf(d, words, now) {
  return [d.barred && words.say('deskBarredDriver'), d.away && reachOf(d, words, now), d.unseen && words.say('deskUnseen'), doubtOf(d, words)].filter(Boolean).join(' · ');
}

/** Until when somebody is kept out, in words. */
export function untilOf(bar, words, now) {
  return bar.until > 0 ? words.say('roadTo', { time: words.moment(bar.until, now) }) : words.say('roadOpen');
}

/** Reads what a close look shows: {driver} or {trip}, null for nothing. */
export function readLook(body) {
  const driver = readDriver(Object(body.driver));
  if (driver !== null) return { kind: 'driver', id: driver.id, driver };
  const trip = readTrip(Object(body.trip));
  if (trip === null) return null;
  const party = Object(body.trip.traveller);
  return { kind: 'trip', id: trip.id, trip: { ...trip, name: text(party.name), phone: text(party.phone), code: text(body.trip.start_code) } };
}

/** Desk shows the panel, and carries out what is asked in it. */
export class Desk {
  #words; #plan; #focus; #now; #ask;
  #board = null; #rows = new Map(); #look = null; #sure = ''; #said = () => '';

  /**
   * now() is the server's time, Unix ms; ask(type, body) sends a command and promises
   * its answer. Who was looked at is pinned in focus and marked on the plan.
   */
  constructor({ words, plan, focus, now, ask }) {
    this.#words = words;
    this.#plan = plan;
    this.#focus = focus;
    this.#now = now;
    this.#ask = ask;
    this.#listen();
    this.refresh();
  }

  /** Takes a board. */
  show(board) {
    this.#board = board;
    const rows = [
      ...concerns(board).slice(0, MAX_ROWS).map((driver) => ({ id: `driver ${driver.id}`, driver })),
      ...board.bars.map((bar) => ({ id: `bar ${bar.id}`, bar })),
    ];
    keepRows($('desk'), this.#rows, rows, (row) => this.#make(row), $('desk-new'));
    for (const row of rows) this.#rows.get(row.id).shows = row;
    this.tick();
  }

  /** What the server shows of who is looked at closely. */
  told(body) {
    const seen = readLook(body);
    if (seen === null || this.#look === null || seen.kind !== this.#look.kind || seen.id !== this.#look.id) return;
    this.#look.seen = seen;
    this.#look.at = this.#now();
    if (seen.kind === 'driver') this.#focus.pin({ driver: seen.id, trip: '' });
    else this.#focus.pin({ driver: '', trip: seen.id });
    if (seen.driver?.fix) this.#plan.spot({ name: seen.id, point: seen.driver.fix });
    this.#showLook();
  }

  /** Opens the form, filled in as far as it is known what for. */
  open(act, id) {
    this.#open(true);
    $('desk-act').value = act;
    this.#acted();
    $('desk-who').value = id;
    $('desk-why').focus();
  }

  /** Forgets what was seen: somebody else may be at the screen. */
  forget() {
    this.#look = null;
    this.#plan.spot(null);
    this.#say(() => '');
    this.#showLook();
  }

  /** Time has passed. */
  tick() {
    const n = this.#board === null ? 0 : concerns(this.#board).length;
    put($('desk-count'), n > MAX_ROWS ? this.#words.say('firstOf', { n: MAX_ROWS, total: n }) : n ? String(n) : '');
    $('desk-empty').hidden = this.#rows.size > 0;
    for (const row of this.#rows.values()) this.#fill(row);
    if (this.#look?.seen && this.#now() - this.#look.at > SHOWN_MS) this.forget();
    this.#showLook();
  }

  /** The language has changed. */
  refresh() {
    const say = (key, blanks) => this.#words.say(key, blanks);
    options('desk-act', ACTS.map((act) => [act, say(`act.${act}`)]), ACTS[0]);
    options('desk-until', SPANS.map(([hours, key]) => [hours, say(key)]), USUAL_HOURS);
    put($('desk-said'), this.#said(this.#words));
    $('looked-shut').setAttribute('aria-label', say('close'));
    this.#acted();
    this.tick();
  }

  #make({ driver, bar }) {
    const button = el('button', 'act');
    button.type = 'button';
    const name = driver ? el('button', 'way', el('bdi')) : el('span', 'name', el('span'), ' ', el('bdi'));
    const what = el('p', '', el('strong', 'effect', mark('other'), el('span')), ' ', name, ' ', el('span', 'time'), ' ', el('bdi', 'note'));
    const row = el('li', '', what, button);
    if (driver) {
      name.type = 'button';
      const target = { driver: driver.id, trip: '' };
      name.addEventListener('click', () => this.#focus.toggle(target));
      button.addEventListener('click', () => this.open('look driver', driver.id));
    } else {
      button.addEventListener('click', () => this.#lift(row.shows.bar));
      button.addEventListener('blur', () => this.#sure === bar.id && this.#beSure(''));
    }
    return row;
  }

  #fill(row) {
    if (row.shows.driver) this.#fillDriver(row, row.shows.driver);
    else this.#fillBar(row, row.shows.bar);
  }

  #fillDriver(row, d) {
    const part = (cls) => row.querySelector(`.${cls}`);
    row.dataset.look = d.look;
    setMark(part('mark'), d.look, d.away);
    put(part('effect').lastChild, d.state ? this.#words.name('state', d.state) : this.#words.say('free'));
    putName(part('way').firstChild, d.id);
    put(part('time'), concernOf(d, this.#words, this.#now()));
    putName(part('note'), d.vehicle.plate);
    label(part('act'), this.#words.say('deskLook'), this.#words.say('deskLookAt', { who: d.id }));
  }

  #fillBar(row, bar) {
    const part = (cls) => row.querySelector(`.${cls}`);
    row.dataset.look = 'closed';
    setMark(part('mark'), 'closed');
    put(part('effect').lastChild, this.#words.say('deskBarred'));
    put(part('name').firstChild, this.#words.name('role', bar.role));
    putName(part('name').lastChild, bar.who);
    put(part('time'), untilOf(bar, this.#words, this.#now()));
    putName(part('note'), bar.reason);
    const sure = this.#sure === bar.id;
    const action = this.#words.say(sure ? 'roadSure' : 'roadLift');
    label(part('act'), action, this.#words.say('roadLiftLabel', { action, road: bar.who }));
    part('act').classList.toggle('main', sure);
  }

  #listen() {
    $('desk-new').addEventListener('click', () => this.#open($('desk-form').hidden));
    $('desk-cancel').addEventListener('click', () => this.#open(false));
    $('desk-act').addEventListener('change', () => this.#acted());
    $('looked-shut').addEventListener('click', () => {
      this.forget();
      $('desk-new').focus();
    });
    $('desk-form').addEventListener('input', () => this.#beSure(''));
    $('desk-form').addEventListener('submit', (e) => {
      e.preventDefault();
      this.#submit();
    });
    $('desk-form').addEventListener('keydown', (e) => {
      if (e.key !== 'Escape') return;
      e.stopPropagation();
      this.#open(false);
    });
  }

  #open(open) {
    $('desk-form').hidden = !open;
    $('desk-form').closest('.panel').classList.toggle('asking', open);
    $('desk-new').setAttribute('aria-expanded', String(open));
    this.#beSure('');
    if (!open) return $('desk-new').focus();
    this.#say(() => '');
    this.#acted();
    $('desk-act').focus();
  }

  // Another act: a bar has an end, and other names are known.
  #acted() {
    const [verb, kind] = $('desk-act').value.split(' ');
    $('desk-until-field').hidden = verb !== 'bar';
    put($('desk-do'), this.#words.say(verb === 'bar' ? 'deskBar' : 'deskDo'));
    this.#beSure('');
    $('desk-known').replaceChildren(...this.#known(kind).map((id) => {
      const option = document.createElement('option');
      option.value = id;
      return option;
    }));
  }

  #known(kind) {
    const b = this.#board;
    if (b === null || $('desk-form').hidden) return [];
    if (kind === 'driver') return b.drivers.map((d) => d.id).sort();
    return kind === 'trip' ? [...b.waiting, ...b.driving, ...b.ended].map((t) => t.id).sort() : [];
  }

  async #submit() {
    const [verb, kind] = $('desk-act').value.split(' ');
    const id = $('desk-who').value.trim();
    const reason = text($('desk-why').value);
    if (id === '') return this.#wrong('deskWho', 'desk-who');
    if (reason === '') return this.#wrong('deskNoReason', 'desk-why');
    return verb === 'bar' ? this.#bar(kind, id, reason) : this.#lookAt(kind, id, reason);
  }

  async #lookAt(kind, id, reason) {
    this.forget();
    const look = { kind, id, reason, at: this.#now(), seen: null, recorded: false };
    this.#look = look;
    const answer = await this.#ask('look', lookBody(look));
    if (this.#look !== look) return;
    if (answer.refused) {
      this.#look = null;
      return this.#refused(answer.refused);
    }
    look.recorded = true;
    this.#done();
    this.#say((words) => words.say('deskRecorded', { who: id, time: words.time(look.at, true), why: reason }));
    this.#showLook();
  }

  // Nobody is shut out by one slip: the button asks back.
  async #bar(role, id, reason) {
    const hours = Number($('desk-until').value);
    if (this.#sure !== `${role} ${id}`) return this.#beSure(`${role} ${id}`);
    this.#beSure('');
    const body = barBody({ role, id, hours, reason }, this.#now());
    const answer = await this.#ask('bar', body);
    if (answer.refused) return this.#refused(answer.refused);
    this.#done();
    this.#say((words) => words.say('deskIsBarred', { who: `${words.name('role', role)} ${id}`, time: untilOf({ until: body.until ?? 0 }, words, this.#now()) }));
  }

  async #lift({ id, role, who }) {
    if (this.#sure !== id) return this.#beSure(id);
    this.#beSure('');
    const answer = await this.#ask('lift_bar', { role, id: who });
    if (answer.refused) return this.#refused(answer.refused);
    this.#say((words) => words.say('deskLifted', { who: `${words.name('role', role)} ${who}` }));
  }

  #beSure(id) {
    this.#sure = id;
    const here = id !== '' && id === `${$('desk-act').value.split(' ')[1]} ${$('desk-who').value.trim()}` && !$('desk-form').hidden;
    if (here) put($('desk-do'), this.#words.say('deskSure', { who: $('desk-who').value.trim() }));
    else if ($('desk-act').value.startsWith('bar ')) put($('desk-do'), this.#words.say('deskBar'));
    for (const row of this.#rows.values()) this.#fill(row);
    if (id !== '') setTimeout(() => this.#sure === id && this.#beSure(''), SURE_MS);
  }

  #done() {
    $('desk-who').value = $('desk-why').value = '';
    this.#open(false);
  }

  // What was seen, once the server has said that it is recorded.
  #showLook() {
    const look = this.#look;
    $('looked').hidden = look === null || !look.recorded;
    if ($('looked').hidden) return;
    putName($('looked-title'), look.id);
    put($('looked-more'), look.seen === null ? this.#words.say('deskNothing') : look.kind === 'driver' ? this.#driverSeen(look) : this.#tripSeen(look.seen.trip));
  }

  #driverSeen({ seen: { driver: d }, at }) {
    const say = (key, blanks) => this.#words.say(key, blanks);
    const now = this.#now();
    return [
      d.fix ? writePlace(d.fix) : say('deskNoFix'),
      d.fix && say('cardHeard', { time: this.#words.span(d.ageMs + now - at) }),
      d.accuracy && say('deskAccuracy', { n: d.accuracy }),
      d.linkMs && say('deskLink', { time: this.#words.brief(d.linkMs) }),
      concernOf({ ...d, away: d.lostAt > 0, barred: false }, this.#words, now),
    ].filter(Boolean).join(' · ');
  }

  #tripSeen(t) {
    return [
      this.#words.name('state', t.state),
      `\u2068${t.pickup.name}\u2069 → \u2068${t.dropoff.name}\u2069`,
      t.name, t.phone,
      t.pickup.note,
      t.driver && this.#words.say('deskDriver', { who: t.driver }),
      t.code && this.#words.say('deskCode', { code: t.code }),
    ].filter(Boolean).join(' · ');
  }

  #refused(body) {
    this.#say((words) => (body.code === 'lost' ? words.say('deskNoLink') : words.refusal({ code: text(body.code), say: text(body.say) })));
  }

  #wrong(key, field) {
    this.#say((words) => words.say(key));
    $(field).focus();
  }

  // What is said stays a sentence in whatever language the page turns to.
  #say(said) {
    this.#said = said;
    put($('desk-said'), said(this.#words));
  }
}

function label(button, words, spoken) {
  put(button, words);
  if (button.getAttribute('aria-label') !== spoken) button.setAttribute('aria-label', spoken);
}
