// Roads today: what has been done to the roads, and the means to do it. The plan
// lends its ground for pointing at a place; the server says what that concerned.

import { MAX_ROWS, readRoad, text } from './board.js';
import { mark, setMark } from './marks.js';
import { el, keepRows, options, put, putName } from './page.js';

const $ = (id) => document.getElementById(id);

/** The longest note, in bytes of UTF-8; see ws/wire. */
export const MAX_NOTE = 200;

const HOUR_MS = 3_600_000;
const SURE_MS = 5000; // how long a button asks back before it forgets
const PACES = [75, 50, 25]; // per cent
const RADII = [0, 100, 500, 2000, 10_000]; // metres
const SPANS = [[2, 'roadHours'], [6, 'roadHours'], [24, 'roadDay'], [168, 'roadWeek'], [0, 'roadOpen']];
const USUAL_HOURS = 24;

/** Reads two numbers, latitude and longitude, as people write them; null if it is no place. */
export function readPlace(written) {
  const found = /^\s*(-?\d{1,3}(?:\.\d+)?)\s*[,，;\s]\s*(-?\d{1,3}(?:\.\d+)?)\s*$/.exec(written);
  if (!found) return null;
  const [lat, lon] = [Number(found[1]), Number(found[2])];
  const ok = Math.abs(lat) <= 90 && Math.abs(lon) <= 180 && (lat !== 0 || lon !== 0);
  return ok ? { lat, lon } : null;
}

/** Writes a place the way readPlace reads it. */
export function writePlace({ lat, lon }) {
  return `${lat.toFixed(6)}, ${lon.toFixed(6)}`;
}

/** The body of a road command. pace is in per cent, 0 is closed; hours from now, 0 is open. */
export function roadBody({ id, place, radius, pace, hours, note }, now) {
  const body = { road: id, where: { lat: place.lat, lon: place.lon, datum: 'wgs84' } };
  if (radius > 0) body.where.radius_m = radius;
  if (pace > 0) body.pace = pace / 100;
  else body.closed = true;
  if (hours > 0) body.until = Math.round(now + hours * HOUR_MS);
  if (note !== '') body.note = note;
  return body;
}

/** What a road is called: its names or, as few roads in the hills have one, what it is near. */
export function nameOf(road, words, villages) {
  if (road.names.length > 0) return road.names.join(', ');
  const place = nearest(road.point, villages);
  return place === '' ? words.say('roadNameless') : words.say('roadNear', { place });
}

// The name of the village nearest to a point, by the flat earth: a county is small.
function nearest(point, villages) {
  if (point === null) return '';
  const wide = Math.cos((point.lat * Math.PI) / 180);
  const far = (v) => Math.hypot(v.point.lat - point.lat, (v.point.lon - point.lon) * wide);
  const named = villages.filter((v) => v.name !== '');
  return named.reduce((best, v) => (best === null || far(v) < far(best) ? v : best), null)?.name ?? '';
}

/** How much road a change concerns, in words. */
export function extentOf(road, words) {
  return words.say('roadExtent', { n: road.segments, distance: words.length(road.length) });
}

/** What a change does, in words. */
export function effectOf(road, words) {
  if (road.closed) return words.say('roadClosed');
  const { kg, height, width } = road.limits;
  return [
    road.pace < 1 && words.say('roadPace', { n: Math.round(road.pace * 100) }),
    kg && words.say('roadMass', { n: kg / 1000 }),
    height && words.say('roadHeight', { n: height / 100 }),
    width && words.say('roadWide', { n: width / 100 }),
  ].filter(Boolean).join(', ');
}

/** When a change holds, in words. */
export function timeOf(road, words, now) {
  return [
    road.from > now && words.say('roadSince', { time: words.moment(road.from, now) }),
    road.until > 0 ? words.say('roadTo', { time: words.moment(road.until, now) }) : words.say('roadOpen'),
    !road.inForce && road.from <= now && words.say('roadNotNow'),
  ].filter(Boolean).join(', ');
}

/** Changes shows the panel, and carries out what is asked in it. */
export class Changes {
  #words; #plan; #villages; #now; #ask; #random; #rows = new Map(); #roads = []; #sure = null; #said = () => '';

  /**
   * villages() are the places that are known; now() is the server's time, Unix ms;
   * ask(type, body) sends a command and promises its answer.
   */
  constructor({ words, plan, villages, now, ask, random = Math.random }) {
    this.#words = words;
    this.#plan = plan;
    this.#villages = villages;
    this.#now = now;
    this.#ask = ask;
    this.#random = random;
    this.#listen();
    this.refresh();
  }

  /** Takes the changes of a board. */
  show(roads) {
    this.#roads = roads;
    keepRows($('roads'), this.#rows, roads, (r) => this.#make(r.id), $('road-new'));
    this.tick();
  }

  /** What the server says a change concerns. */
  told(body) {
    const road = readRoad(body);
    if (road !== null) this.#say((words) => words.say('roadTold', { road: this.#name(road), extent: extentOf(road, words) }));
  }

  /** Time has passed. */
  tick() {
    const n = this.#roads.length;
    put($('roads-count'), n ? String(n) + (n === MAX_ROWS ? '+' : '') : '');
    $('roads-empty').hidden = n > 0;
    for (const r of this.#roads) this.#fill(this.#rows.get(r.id), r);
  }

  /** The language has changed. */
  refresh() {
    const say = (key, blanks) => this.#words.say(key, blanks);
    options('road-what', [[0, say('roadClosed')], ...PACES.map((n) => [n, say('roadPace', { n })])], 0);
    options('road-radius', RADII.map((m) => [m, m ? say('roadWithin', { distance: this.#words.distance(m) }) : say('roadNearest')]), 0);
    options('road-until', SPANS.map(([hours, key]) => [hours, say(key, { n: hours })]), USUAL_HOURS);
    put($('road-said'), this.#said(this.#words));
    this.tick();
  }

  #name(road) {
    return nameOf(road, this.#words, this.#villages());
  }

  #make(id) {
    const button = el('button', 'act');
    button.type = 'button';
    button.addEventListener('click', () => this.#lift(id));
    button.addEventListener('blur', () => this.#beSure(null));
    const what = el('p', '', el('strong', 'effect', mark('closed'), el('span')), ' ', el('bdi', 'name'), ' ', el('span', 'extent'), ' ', el('span', 'time'), ' ', el('bdi', 'note'));
    const row = el('li', '', what, button);
    row.dataset.road = id;
    return row;
  }

  #fill(row, r) {
    const part = (cls) => row.querySelector(`.${cls}`);
    row.classList.toggle('idle', !r.inForce);
    row.dataset.look = r.closed ? 'closed' : 'slow';
    setMark(row.querySelector('.mark'), r.closed ? 'closed' : 'slow');
    put(part('effect').lastChild, effectOf(r, this.#words));
    putName(part('name'), this.#name(r));
    put(part('extent'), extentOf(r, this.#words));
    put(part('time'), timeOf(r, this.#words, this.#now()));
    putName(part('note'), r.note);
    const sure = this.#sure === r.id;
    const button = part('act');
    const action = this.#words.say(sure ? 'roadSure' : 'roadLift');
    put(button, action);
    const label = this.#words.say('roadLiftLabel', { action, road: this.#name(r) });
    if (button.getAttribute('aria-label') !== label) button.setAttribute('aria-label', label);
    button.classList.toggle('main', sure);
  }

  #listen() {
    $('road-new').addEventListener('click', () => this.#open($('road-form').hidden));
    $('road-cancel').addEventListener('click', () => this.#open(false));
    $('road-where').addEventListener('input', () => ($('pin').hidden = true));
    $('road-form').addEventListener('submit', (e) => {
      e.preventDefault();
      this.#submit();
    });
    $('road-form').addEventListener('keydown', (e) => {
      if (e.key !== 'Escape') return;
      e.stopPropagation();
      this.#open(false);
    });
    // Before the plan hears of it: while the form is open a click is a place.
    $('ground').addEventListener('click', (e) => this.#pick(e), true);
  }

  #open(open) {
    $('road-form').hidden = !open;
    $('road-form').closest('.panel').classList.toggle('asking', open);
    $('road-new').setAttribute('aria-expanded', String(open));
    $('ground').classList.toggle('picking', open);
    $('pin').hidden = true;
    if (open) this.#say(() => '');
    if (open) $('road-where').focus();
    else $('road-new').focus();
  }

  #pick(e) {
    if ($('road-form').hidden || e.target !== $('plan')) return;
    e.stopPropagation();
    const point = this.#plan.pointAt(e.offsetX, e.offsetY);
    if (point === null) return;
    $('road-where').value = writePlace(point);
    $('pin').hidden = false;
    $('pin').style.left = `${e.offsetX}px`;
    $('pin').style.top = `${e.offsetY}px`;
    $('road-note').focus();
  }

  async #submit() {
    const place = readPlace($('road-where').value);
    const note = text($('road-note').value);
    if (place === null) return this.#wrong('roadBadPlace', 'road-where');
    if (new TextEncoder().encode(note).length > MAX_NOTE) return this.#wrong('roadLongNote', 'road-note');
    const [pace, radius, hours] = ['road-what', 'road-radius', 'road-until'].map((id) => Number($(id).value));
    const id = `desk-${this.#now().toString(36)}-${Math.floor(this.#random() * 1e9).toString(36)}`;
    const answer = await this.#ask('road', roadBody({ id, place, radius, pace, hours, note }, this.#now()));
    if (answer.refused) return this.#refused(answer.refused);
    $('road-where').value = $('road-note').value = '';
    this.#open(false);
  }

  async #lift(id) {
    const road = this.#roads.find((r) => r.id === id);
    if (!road) return;
    if (this.#sure !== id) return this.#beSure(id);
    this.#beSure(null);
    const answer = await this.#ask('lift_road', { road: id });
    if (answer.refused) return this.#refused(answer.refused);
    this.#say((words) => words.say('roadLifted', { road: this.#name(road) }));
  }

  // A button that undoes a closure asks back: one slip must not send cars into a landslide.
  #beSure(id) {
    this.#sure = id;
    this.tick();
    if (id !== null) setTimeout(() => this.#sure === id && this.#beSure(null), SURE_MS);
  }

  #refused(body) {
    this.#say((words) => (body.code === 'lost' ? words.say('roadNoLink') : words.refusal({ code: text(body.code), say: text(body.say) })));
  }

  #wrong(key, field) {
    this.#say((words) => words.say(key));
    $(field).focus();
  }

  // What is said stays a sentence in whatever language the page turns to.
  #say(said) {
    this.#said = said;
    put($('road-said'), said(this.#words));
  }
}
