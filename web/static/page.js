// Numbers and tables. Rows are kept and changed in place, so that what a reader
// points at, or has the keyboard on, stays where it is when a new board comes.

import { mark, setMark } from './marks.js';

const $ = (id) => document.getElementById(id);

/** Writes text into a node, if it is another. Text only: there is no way from here to markup. */
export function put(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

// A name is set apart from what surrounds it, so that one written from right to left
// does not turn its neighbours around, and tagged so that its characters get the right font.
export function putName(node, name) {
  put(node, name);
  const chinese = /\p{Script=Han}/u.test(name);
  if (chinese && node.lang !== 'zh-CN') node.lang = 'zh-CN';
  if (!chinese && node.lang) node.removeAttribute('lang');
}

/** Makes an element with a class and children. */
export function el(tag, cls, ...children) {
  const node = document.createElement(tag);
  if (cls) node.className = cls;
  node.append(...children);
  return node;
}

/**
 * Keeps rows in step with items, each of which has an id: those that stay are moved and
 * not made anew, so that the keyboard stays where it is. Where a row goes that has the
 * keyboard, refuge gets it.
 */
export function keepRows(list, rows, items, make, refuge) {
  const keep = new Set(items.map((item) => item.id));
  for (const [id, row] of rows) {
    if (keep.has(id)) continue;
    if (row.contains(document.activeElement)) refuge.focus();
    row.remove();
    rows.delete(id);
  }
  items.forEach((item, i) => {
    const row = rows.get(item.id) ?? make(item);
    rows.set(item.id, row);
    if (row !== list.children[i]) list.insertBefore(row, list.children[i] ?? null);
  });
}

/** Fills a list of choices, keeping what is chosen; usual is chosen at first. */
export function options(id, choices, usual) {
  const select = $(id);
  const chosen = select.value || String(usual);
  select.replaceChildren(...choices.map(([value, words]) => {
    const option = document.createElement('option');
    option.value = String(value);
    option.textContent = words;
    return option;
  }));
  select.value = chosen;
}

/** Says in words that a driver's positions are doubted, and by which signs; '' when they are not. */
export function doubtOf(driver, words) {
  if (!driver.trust) return '';
  const signs = driver.signs.map((sign) => words.name('sign', sign)).join(words.say('comma'));
  return words.say(driver.trust === 'poor' ? 'cardPoor' : 'cardDoubtful', { signs });
}

/** Says in words that nobody can reach a driver. */
export function reachOf(driver, words, now) {
  return driver.lostAt > 0 ? words.say('noLink', { time: words.span(now - driver.lostAt) }) : words.say('cardSilent');
}

/** One kind of cell: how it is made, and how it is filled for a row. */
const cells = {
  place: {
    make: (td) => td.append(el('span', 'rank'), el('span', 'unseen')),
    fill(td, t, { words }) {
      put(td.firstChild, t.place ? String(t.place) : '·');
      put(td.lastChild, t.place ? '' : words.say('notQueued'));
    },
  },
  route: {
    header: true,
    make(td, row, { focus }) {
      const arrow = el('span', 'arrow', '→');
      arrow.setAttribute('aria-hidden', 'true');
      const button = el('button', 'way', el('bdi'), arrow, el('span', 'unseen'), el('bdi'));
      button.type = 'button';
      const target = { driver: '', trip: row.dataset.trip };
      button.addEventListener('click', () => focus.toggle(target));
      button.addEventListener('focus', () => focus.point(target));
      button.addEventListener('blur', () => focus.point(null));
      td.append(button);
    },
    fill(td, t, { words }) {
      const [from, , to, dest] = td.firstChild.childNodes;
      putName(from, t.pickup.name || '?');
      put(to, ` ${words.say('to')} `);
      putName(dest, t.dropoff.name || '?');
      const title = `${t.pickup.name} → ${t.dropoff.name}${t.pickup.note ? `\n${t.pickup.note}` : ''}`;
      if (td.firstChild.title !== title) td.firstChild.title = title;
    },
  },
  seats: {
    fill: (td, t) => put(td, String(t.seats || '')),
  },
  waited: {
    fill: (td, t, { words, now }) => put(td, words.span(now - t.requestedAt)),
  },
  since: {
    fill: (td, t, { words, now }) => put(td, words.span(now - t.since)),
  },
  lasted: {
    fill: (td, t, { words }) => put(td, words.span(t.since - t.requestedAt)),
  },
  booker: {
    fill: (td, t, { words }) => put(td, t.booker && words.name('role', t.booker)),
  },
  driver: {
    make: (td) => td.append(el('bdi')),
    fill: (td, t) => putName(td.firstChild, t.driver),
  },
  vehicle: {
    make: (td) => td.append(el('bdi', 'plate'), ' ', el('span', 'kind')),
    fill(td, t, { words }) {
      putName(td.firstChild, t.vehicle.plate);
      put(td.lastChild, t.vehicle.kind && words.name('class', t.vehicle.kind));
    },
  },
  endedAt: {
    fill: (td, t, { words }) => put(td, words.time(t.since)),
  },
  state: {
    make: (td) => td.append(el('span', 'chip', mark('other'), el('span')), el('span', 'warn'), el('span', 'soon')),
    fill(td, t, { words, now, drivers }) {
      const driver = drivers.get(t.id);
      setMark(td.firstChild.firstChild, t.look, driver?.away);
      if (td.dataset.look !== t.look) td.dataset.look = t.look;
      put(td.firstChild.lastChild, words.name('state', t.state));
      const warning = remark(t, driver, words, now);
      put(td.childNodes[1], warning);
      put(td.lastChild, warning === '' ? expected(t, driver, words) : '');
      td.lastChild.title = td.lastChild.textContent && t.look !== 'asked' ? words.say('expectedAt') : '';
    },
  },
};

const GIVING_UP_MS = 10 * 60_000;

// What a dispatcher must not miss: a party about to be given up, a road that is
// closed ahead, a driver overdue or out of reach, why a trip came to nothing.
function remark(t, driver, words, now) {
  const left = t.givesUpAt - now;
  if (t.look === 'waiting' && t.givesUpAt > 0 && left < GIVING_UP_MS) return words.say('minutesLeft', { time: words.span(left) });
  if (t.cut) return words.say('cut');
  if ((t.look === 'coming' || t.look === 'riding') && t.overdue > 0) return words.say('overdue');
  if (driver?.away) return reachOf(driver, words, now);
  if (t.state === 'cancelled' && t.endedBy) {
    return words.say('cancelledBy', { who: words.name('role', t.endedBy), why: words.name('why', t.endedWhy) });
  }
  return '';
}

// When somebody is expected at the pickup, one on his way or one who is busy still; or
// who is being asked.
function expected(t, driver, words) {
  if (t.look === 'asked') return driver?.id ?? '';
  return t.eta > 0 && (t.state === 'parked' || t.state === 'assigned') ? words.say('expected', { time: words.time(t.eta) }) : '';
}

const tables = {
  queue: [['place', 'place'], ['route', 'route'], ['num seats', 'seats'], ['num span', 'waited'], ['who', 'booker'], ['state', 'state']],
  driving: [['who', 'driver'], ['vehicle', 'vehicle'], ['route', 'route'], ['state', 'state'], ['num span', 'since']],
  ended: [['at', 'endedAt'], ['route', 'route'], ['who', 'driver'], ['state', 'state'], ['num span', 'lasted']],
};

/** Table keeps one table body in step with a list of trips. */
class Table {
  #name; #body; #focus; #rows = new Map(); #trips = []; #total = 0; #shown = false;

  constructor(name, focus) {
    this.#name = name;
    this.#body = $(name);
    this.#focus = focus;
  }

  /** total is how many there are, of which trips may be the first. */
  show(trips, total, context) {
    this.#trips = trips;
    this.#total = total;
    const keep = new Set(trips.map((t) => t.id));
    for (const [id, row] of this.#rows) {
      if (keep.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    let before = this.#body.firstChild;
    for (const t of trips) {
      const row = this.#rows.get(t.id) ?? this.#make(t);
      if (row === before) before = before.nextSibling;
      else this.#body.insertBefore(row, before);
    }
    this.tick(context);
    $(`${this.#name}-empty`).hidden = trips.length > 0;
    this.#shown = true;
  }

  #make(t) {
    const row = el('tr', this.#shown ? 'fresh' : '');
    row.setAttribute('role', 'row');
    row.dataset.trip = t.id;
    for (const [cls, kind] of tables[this.#name]) {
      const { header, make } = cells[kind];
      const td = el(header ? 'th' : 'td', cls);
      td.setAttribute('role', header ? 'rowheader' : 'cell');
      if (header) td.scope = 'row';
      make?.(td, row, { focus: this.#focus });
      row.append(td);
    }
    const target = { driver: '', trip: t.id };
    row.addEventListener('pointerenter', () => this.#focus.point(target));
    row.addEventListener('pointerleave', () => this.#focus.point(null));
    this.#rows.set(t.id, row);
    return row;
  }

  /** Fills every cell again: time has passed, or the language has changed. */
  tick(context) {
    const n = this.#trips.length;
    put($(`${this.#name}-count`), this.#total > n ? context.words.say('firstOf', { n, total: this.#total }) : n ? String(n) : '');
    for (const t of this.#trips) {
      const row = this.#rows.get(t.id);
      tables[this.#name].forEach(([, kind], i) => cells[kind].fill(row.cells[i], t, context));
    }
  }

  /** Marks the row of a trip. Scrolls to it only within its own panel, and only if asked. */
  highlight(trip, scroll) {
    for (const [id, row] of this.#rows) {
      const on = id === trip;
      row.classList.toggle('on', on);
      row.querySelector('.way').setAttribute('aria-pressed', String(id === this.#focus.pinned?.trip));
      if (on && scroll) reveal(row);
    }
  }
}

function reveal(row) {
  const box = row.closest('.scroll');
  const head = box.querySelector('thead').offsetHeight;
  if (row.offsetTop - head < box.scrollTop) box.scrollTop = row.offsetTop - head;
  const bottom = row.offsetTop + row.offsetHeight;
  if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
}

/** Page shows boards. */
export class Page {
  #words; #focus; #board = null; #drivers = new Map(); #now = () => 0;
  #tables;

  /** now() is the server's time, Unix ms. */
  constructor(words, focus, now) {
    this.#words = words;
    this.#focus = focus;
    this.#now = now;
    this.#tables = Object.keys(tables).map((name) => new Table(name, focus));
    for (const group of document.querySelectorAll('.number[data-look]')) group.firstChild.prepend(mark(group.dataset.look));
  }

  show(board) {
    this.#board = board;
    this.#drivers = new Map(board.drivers.filter((d) => d.trip !== '').map((d) => [d.trip, d]));
    const [queue, driving, ended] = this.#tables;
    const n = board.numbers;
    queue.show(board.waiting, n.waiting + n.asked, this.#context());
    driving.show(board.driving, n.coming + n.riding, this.#context());
    ended.show(board.ended, n.ended, this.#context());
    this.#numbers();
  }

  /** Once a second, and when the language changes. */
  tick() {
    if (this.#board === null) return;
    for (const table of this.#tables) table.tick(this.#context());
    this.#numbers();
  }

  highlight(found, scroll) {
    for (const table of this.#tables) table.highlight(found?.trip?.id, scroll);
    this.#card(found);
  }

  #context() {
    return { words: this.#words, now: this.#now(), drivers: this.#drivers };
  }

  #numbers() {
    const n = this.#board.numbers;
    const say = (key, blanks) => this.#words.say(key, blanks);
    for (const key of ['waiting', 'asked', 'coming', 'riding', 'completed', 'free', 'busy', 'silent']) put($(`n-${key}`), String(n[key]));
    put($('n-waiting-more'), n.waiting ? say('longest', { time: this.#words.span(n.longestMs) }) : say('nobodyWaits'));
    put($('n-coming-more'), n.arrived ? say('atPickup', { n: n.arrived }) : '');
    put($('n-completed-more'), say('ofEnded', { n: n.ended }));
    $('n-completed-more').title = say('lost', n);
    put($('n-drivers'), String(n.onDuty));
    for (const key of ['free', 'busy', 'silent']) $(`share-${key}`).style.flexGrow = String(n[key]);
    this.#speed(this.#board.latency);
  }

  #speed(latency) {
    $('speed').hidden = latency === null;
    if (latency === null) return;
    put($('n-p50'), this.#words.brief(latency.p50));
    put($('n-p99'), this.#words.say('latencyMost', { time: this.#words.brief(latency.p99), n: this.#words.count(latency.count) }));
  }

  #card(found) {
    $('card').hidden = found === null;
    $('card-shut').hidden = this.#focus.pinned === null;
    $('card-look').hidden = this.#focus.pinned === null;
    if (found === null) return;
    const { driver, trip } = found;
    const vehicle = driver?.vehicle ?? trip.vehicle;
    const kind = vehicle.kind && this.#words.name('class', vehicle.kind);
    const seats = vehicle.seats ? this.#words.say('cardSeats', { n: vehicle.seats }) : '';
    putName($('card-title'), driver?.id || trip.driver || trip.id);
    put($('card-state'), this.#stateOf(driver, trip));
    $('card').dataset.look = driver?.look ?? trip.look;
    put($('card-route'), trip ? `\u2068${trip.pickup.name}\u2069 → \u2068${trip.dropoff.name}\u2069` : '');
    put($('card-more'), [vehicle.plate, kind, seats, this.#heard(driver), ...this.#warnings(driver)].filter(Boolean).join(' · '));
  }

  #stateOf(driver, trip) {
    if (driver?.look === 'silent') return this.#words.say('silent');
    if (driver && !trip) return driver.state ? this.#words.name('state', driver.state) : this.#words.say('cardFree');
    return this.#words.name('state', trip.state);
  }

  #warnings(driver) {
    if (!driver) return [];
    return [
      driver.lostAt > 0 && reachOf(driver, this.#words, this.#now()),
      driver.unseen && this.#words.say('deskUnseen'),
      driver.barred && this.#words.say('deskBarredDriver'),
      doubtOf(driver, this.#words),
    ];
  }

  #heard(driver) {
    if (!driver) return '';
    if (!driver.fix) return this.#words.say('cardSilent');
    return this.#words.say('cardHeard', { time: this.#words.span(driver.ageMs + this.#now() - this.#board.at) });
  }
}
