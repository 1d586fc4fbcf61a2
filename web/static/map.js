// The plan: drivers and places, north up, on an equirectangular projection whose
// width is corrected by the cosine of the middle latitude. Over a county that is true
// to well under a hundredth. Roads lie faintly beneath, where the server has them.

import { HOLLOW, SHAPES, STRUCK } from './marks.js';
import { Projection, roundLength, settle } from './projection.js';

const GLIDE_MS = 1000; // from one board to the next
const FRAME_MS = 40; // smooth enough, and half of what the screen would take
// Who has a trip lies above who has none, and is drawn larger.
const ORDER = ['silent', 'free', 'other', 'done', 'ended', 'waiting', 'asked', 'coming', 'riding'];
const QUIET = new Set(['silent', 'free']);
const ROAD_PX = [0.5, 0.8, 1.3, 2]; // by rank
const SHAPE_PATHS = new Map([...SHAPES].map(([look, d]) => [look, new Path2D(d)]));
const STRUCK_PATH = new Path2D(STRUCK);
const REACH_PX = 16; // how near a pointer must come

/** Plan draws the county and says what lies under the pointer. */
export class Plan {
  #canvas; #ctx; #ground = document.createElement('canvas'); #words; #focus;
  #board = null; #villages = []; #projection = null; #marks = new Map();
  #found = null; #spot = null; #colours = {}; #font = ''; #em = 16; #width = 0; #height = 0; #ratio = 1;
  #glideEnd = 0; #drawn = 0; #asked = false;
  #roads = []; #roadLayer = document.createElement('canvas'); #roadsAs = '';
  #still = matchMedia('(prefers-reduced-motion: reduce)');

  /** How many drivers lie beyond the edge. */
  beyond = 0;

  constructor(canvas, words, focus) {
    this.#canvas = canvas;
    this.#ctx = canvas.getContext('2d');
    this.#words = words;
    this.#focus = focus;
    new ResizeObserver(() => this.#resize()).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.refresh());
    this.#listen();
    this.refresh();
  }

  /** Takes the roads to draw, as readRoads returns them. */
  lay(roads) {
    this.#roads = roads;
    this.#roadsAs = '';
    this.#drawGround();
    this.draw();
  }

  /** There are roads to draw. */
  get laid() {
    return this.#roads.length > 0;
  }

  /** There is nothing to draw yet. */
  get empty() {
    return this.#projection === null;
  }

  /** Takes a new board; marks glide to where it has them. */
  show(board, villages) {
    this.#board = board;
    this.#villages = villages;
    this.#frame();
    this.#moveMarks();
    this.#glideEnd = performance.now() + (this.#still.matches ? 0 : GLIDE_MS);
    this.#drawGround();
    this.draw();
  }

  /** Points at {driver, trip}, or at nothing. */
  highlight(found) {
    this.#found = found;
    this.draw();
  }

  /** Marks where somebody was seen by a close look, {name, point}; null: nowhere. */
  spot(spot) {
    this.#spot = spot;
    this.draw();
  }

  /** Draws everything anew: another language, another theme. */
  refresh() {
    const style = getComputedStyle(this.#canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    for (const name of ['ground', 'grid', 'road', 'ink', 'muted', 'surface', 'accent', ...SHAPES.keys()]) this.#colours[name] = colour(name);
    this.#font = style.fontFamily;
    this.#em = parseFloat(style.fontSize);
    this.#drawGround();
    this.draw();
  }

  /** Asks for a frame. */
  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame((now) => this.#tick(now));
  }

  // A mark jumps to its place once the glide is over, so that the last frame tells the truth.
  #tick(now) {
    this.#asked = false;
    const gliding = now < this.#glideEnd;
    if (gliding && now - this.#drawn < FRAME_MS) {
      this.draw();
      return;
    }
    this.#drawn = now;
    this.#paint(gliding ? 1 - (this.#glideEnd - now) / GLIDE_MS : 1);
    if (gliding) this.draw();
  }

  #resize() {
    const { clientWidth, clientHeight } = this.#canvas;
    this.#ratio = Math.min(3, window.devicePixelRatio || 1);
    this.#width = clientWidth;
    this.#height = clientHeight;
    for (const c of [this.#canvas, this.#ground]) {
      c.width = Math.max(1, Math.round(clientWidth * this.#ratio));
      c.height = Math.max(1, Math.round(clientHeight * this.#ratio));
    }
    this.#projection?.fit(this.#width, this.#height, 18);
    this.refresh();
    this.#paint(1);
  }

  // The frame stays while another would hold no more: a plan that creeps is hard to read.
  #frame() {
    const drivers = this.#board.drivers.filter((d) => d.fix).map((d) => d.fix);
    const points = [...this.#villages.map((v) => v.point), ...drivers];
    const held = (projection) => points.filter((p) => projection.holds(p)).length;
    if (points.length === 0 || (this.#projection && held(this.#projection) === points.length)) return;
    const other = new Projection(points);
    if (this.#projection && held(other) <= held(this.#projection)) return;
    this.#projection = other;
    this.#projection.fit(this.#width, this.#height, 18);
  }

  #moveMarks() {
    const marks = new Map();
    for (const d of this.#board.drivers) {
      const old = this.#marks.get(d.id);
      const at = d.fix ?? old?.to;
      if (!at) continue; // silent since before this page was opened: nobody knows where
      marks.set(d.id, { id: d.id, look: d.look, away: d.away, from: old ? old.now : at, now: at, to: at });
    }
    this.#marks = marks;
    this.beyond = this.#projection ? [...marks.values()].filter((m) => !this.#projection.holds(m.to)).length : 0;
  }

  #drawGround() {
    const ctx = this.#ground.getContext('2d');
    ctx.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    ctx.clearRect(0, 0, this.#width, this.#height);
    if (!this.#projection) return;
    const grid = roundLength(Math.max(40, this.#width / 6) / this.#projection.scale);
    this.#drawGrid(ctx, grid);
    this.#drawRoads(ctx);
    const reserved = this.#drawScale(ctx, grid);
    this.#drawVillages(ctx, reserved);
  }

  #drawGrid(ctx, grid) {
    const step = grid * this.#projection.scale;
    ctx.strokeStyle = this.#colours.grid;
    ctx.lineWidth = 1;
    ctx.beginPath();
    for (let x = ((this.#projection.x0 % step) + step) % step; x < this.#width; x += step) {
      ctx.moveTo(Math.round(x) + 0.5, 0);
      ctx.lineTo(Math.round(x) + 0.5, this.#height);
    }
    for (let y = ((this.#projection.y0 % step) + step) % step; y < this.#height; y += step) {
      ctx.moveTo(0, Math.round(y) + 0.5);
      ctx.lineTo(this.#width, Math.round(y) + 0.5);
    }
    ctx.stroke();
  }

  // The ground is drawn anew with every board, thousands of lines only when they lie elsewhere.
  #drawRoads(ctx) {
    if (!this.laid) return;
    const { x0, y0, scale } = this.#projection;
    const as = [x0, y0, scale, this.#width, this.#height, this.#ratio, this.#colours.road].join();
    if (as !== this.#roadsAs) this.#drawRoadLayer();
    this.#roadsAs = as;
    ctx.drawImage(this.#roadLayer, 0, 0, this.#width, this.#height);
  }

  #drawRoadLayer() {
    const layer = this.#roadLayer;
    layer.width = this.#ground.width;
    layer.height = this.#ground.height;
    const ctx = layer.getContext('2d');
    ctx.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    ctx.strokeStyle = this.#colours.road;
    ctx.lineJoin = 'round';
    ROAD_PX.forEach((width, rank) => {
      ctx.lineWidth = width;
      ctx.beginPath();
      for (const road of this.#roads) {
        if (road.rank === rank) trace(ctx, road.points.map((p) => this.#projection.pixels(p)));
      }
      ctx.stroke();
    });
  }

  // Returns the boxes that labels must leave free.
  #drawScale(ctx, grid) {
    const length = grid * this.#projection.scale;
    const [left, right, y] = [14, 14 + length, this.#height - 14];
    ctx.strokeStyle = ctx.fillStyle = this.#colours.muted;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    ctx.moveTo(left, y - 5);
    ctx.lineTo(left, y);
    ctx.lineTo(right, y);
    ctx.lineTo(right, y - 5);
    ctx.stroke();
    ctx.font = `600 ${0.82 * this.#em}px ${this.#font}`;
    ctx.textAlign = 'center';
    ctx.textBaseline = 'alphabetic';
    ctx.fillText(this.#words.distance(grid), (left + right) / 2, y - 6);
    const x = this.#width - 20;
    ctx.fillText(this.#words.say('north'), x, this.#height - 12);
    ctx.beginPath();
    ctx.moveTo(x, this.#height - 42);
    ctx.lineTo(x + 5, this.#height - 26);
    ctx.lineTo(x, this.#height - 30);
    ctx.lineTo(x - 5, this.#height - 26);
    ctx.fill();
    return [
      { left: 0, right: right + 10, top: y - 24, bottom: this.#height },
      { left: x - 14, right: this.#width, top: this.#height - 46, bottom: this.#height },
    ];
  }

  #drawVillages(ctx, reserved) {
    const size = 0.85 * this.#em;
    ctx.font = `500 ${size}px ${this.#font}`;
    ctx.textBaseline = 'middle';
    ctx.fillStyle = this.#colours.muted;
    const labels = new Map();
    for (const v of this.#villages) {
      const { x, y } = this.#projection.pixels(v.point);
      ctx.beginPath();
      ctx.arc(x, y, 2, 0, 2 * Math.PI);
      ctx.fill();
      reserved.push({ left: x - 3, right: x + 3, top: y - 3, bottom: y + 3 });
      const name = brief(v.name);
      labels.set(name, { name, x, y, width: ctx.measureText(name).width, gap: 9, named: v.named });
    }
    const order = [...labels.values()].sort((a, b) => b.named - a.named || (a.name < b.name ? -1 : 1));
    const settled = settle(order, reserved, size + 1, { width: this.#width, height: this.#height });
    for (const { label, x, y, align } of settled) {
      ctx.textAlign = align;
      outlined(ctx, label.name, x, y, this.#colours.ground, this.#colours.muted);
    }
  }

  #paint(share) {
    const ctx = this.#ctx;
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    ctx.drawImage(this.#ground, 0, 0);
    if (!this.#projection || !this.#board) return;
    ctx.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    for (const m of this.#marks.values()) m.now = between(m.from, m.to, share);
    this.#paintTrips(ctx);
    this.#paintChanges(ctx);
    this.#paintWaiting(ctx);
    for (const look of ORDER) {
      for (const m of this.#marks.values()) {
        if (m.look === look) this.#paintMark(ctx, look, this.#projection.pixels(m.now), QUIET.has(look) ? 0.8 : 1, m.away);
      }
    }
    this.#paintFound(ctx);
    this.#paintSpot(ctx);
  }

  // A thin line from each driver to where he goes next.
  #paintTrips(ctx) {
    ctx.lineWidth = 1.2;
    ctx.setLineDash([2, 4]);
    ctx.globalAlpha = this.#found ? 0.35 : 0.9;
    for (const t of this.#board.driving) {
      const m = this.#marks.get(t.driver);
      const to = (t.look === 'riding' ? t.dropoff : t.pickup).point;
      if (!m || !to) continue;
      ctx.strokeStyle = this.#colours[t.look];
      line(ctx, this.#projection.pixels(m.now), this.#projection.pixels(to));
    }
    ctx.setLineDash([]);
    ctx.globalAlpha = 1;
  }

  // Where a road is closed, or slower or narrower than usual; faint outside of its hours.
  #paintChanges(ctx) {
    for (const r of this.#board.roads) {
      if (!r.point) continue;
      ctx.globalAlpha = r.inForce ? 1 : 0.4;
      this.#paintMark(ctx, r.closed ? 'closed' : 'slow', this.#projection.pixels(r.point), 1.1);
    }
    ctx.globalAlpha = 1;
  }

  #paintWaiting(ctx) {
    for (const t of this.#board.waiting) {
      if (t.pickup.point) this.#paintMark(ctx, 'waiting', this.#projection.pixels(t.pickup.point), 1.25);
    }
  }

  #paintMark(ctx, look, { x, y }, size, away = false) {
    const path = SHAPE_PATHS.get(look) ?? SHAPE_PATHS.get('other');
    ctx.save();
    ctx.translate(x, y);
    ctx.scale((size * this.#em) / 15, (size * this.#em) / 15);
    ctx.lineJoin = 'round';
    ctx.strokeStyle = this.#colours.ground;
    ctx.lineWidth = 3;
    ctx.stroke(path);
    if (away || HOLLOW.has(look)) {
      ctx.strokeStyle = this.#colours[look] || this.#colours.muted;
      ctx.lineWidth = 1.6;
      ctx.stroke(path);
      if (away && !HOLLOW.has(look)) ctx.stroke(STRUCK_PATH);
    } else {
      ctx.fillStyle = this.#colours[look];
      ctx.fill(path, 'evenodd');
    }
    ctx.restore();
  }

  // What the reader looks at: the way from the driver to the pickup to the drop-off,
  // and a ring around the driver.
  #paintFound(ctx) {
    if (this.#found === null) return;
    const { driver, trip } = this.#found;
    const m = driver ? this.#marks.get(driver.id) : null;
    const stops = [trip?.pickup, trip?.dropoff].filter((p) => p?.point);
    const way = stops.map((p) => this.#projection.pixels(p.point));
    if (m && trip?.look === 'riding') way.shift();
    if (m && trip) way.unshift(this.#projection.pixels(m.now));
    ctx.strokeStyle = this.#colours.ink;
    ctx.lineWidth = 2;
    for (let i = 1; i < way.length; i++) line(ctx, way[i - 1], way[i]);
    for (const p of stops) this.#paintStop(ctx, p);
    if (m) {
      const at = this.#projection.pixels(m.now);
      this.#paintMark(ctx, m.look, at, 1.5, m.away);
      ring(ctx, at, 13, this.#colours.ink);
    }
  }

  // Where a close look has found somebody: a cross, which stays while he drives on.
  #paintSpot(ctx) {
    if (this.#spot === null) return;
    const { x, y } = this.#projection.pixels(this.#spot.point);
    ctx.lineWidth = 2;
    ctx.strokeStyle = this.#colours.accent;
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) line(ctx, { x: x + 8 * dx, y: y + 8 * dy }, { x: x + 20 * dx, y: y + 20 * dy });
    ctx.font = `700 ${0.9 * this.#em}px ${this.#font}`;
    ctx.textBaseline = 'middle';
    ctx.textAlign = x > this.#width / 2 ? 'right' : 'left';
    outlined(ctx, brief(this.#spot.name), x + (x > this.#width / 2 ? -14 : 14), y - 14, this.#colours.ground, this.#colours.accent);
  }

  #paintStop(ctx, place) {
    const { x, y } = this.#projection.pixels(place.point);
    ring(ctx, { x, y }, 6, this.#colours.ink);
    ctx.font = `700 ${0.9 * this.#em}px ${this.#font}`;
    ctx.textBaseline = 'middle';
    ctx.textAlign = x > this.#width / 2 ? 'right' : 'left';
    outlined(ctx, brief(place.name), x + (x > this.#width / 2 ? -12 : 12), y, this.#colours.ground, this.#colours.ink);
  }

  /** What lies nearest to a pixel, within reach: {driver, trip}, or null. */
  at(x, y) {
    let best = null;
    let reach = REACH_PX;
    const near = (p, target) => {
      const d = Math.hypot(p.x - x, p.y - y);
      if (d < reach) [reach, best] = [d, target];
    };
    if (!this.#projection) return null;
    for (const m of this.#marks.values()) near(this.#projection.pixels(m.now), { driver: m.id, trip: '' });
    for (const t of this.#board.waiting) {
      if (t.pickup.point) near(this.#projection.pixels(t.pickup.point), { driver: '', trip: t.id });
    }
    return best;
  }

  /** The point on earth at a pixel; null while there is nothing to draw. */
  pointAt(x, y) {
    return this.#projection?.point({ x, y }) ?? null;
  }

  #listen() {
    const c = this.#canvas;
    c.addEventListener('pointermove', (e) => {
      const target = this.at(e.offsetX, e.offsetY);
      c.classList.toggle('over', target !== null);
      this.#focus.point(target);
    });
    c.addEventListener('pointerleave', () => this.#focus.point(null));
    c.addEventListener('click', (e) => {
      const target = this.at(e.offsetX, e.offsetY);
      if (target) this.#focus.toggle(target);
      else this.#focus.pin(null);
    });
    c.addEventListener('keydown', (e) => this.#key(e));
  }

  // The arrow keys walk through the drivers: what the pointer can do, the keyboard can.
  #key(e) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
    if (!step || this.#marks.size === 0) return;
    e.preventDefault();
    const ids = [...this.#marks.keys()].sort();
    const here = ids.indexOf(this.#focus.pinned?.driver);
    const next = here < 0 ? (step > 0 ? 0 : ids.length - 1) : (here + step + ids.length) % ids.length;
    this.#focus.pin({ driver: ids[next], trip: '' });
  }
}

function between(from, to, share) {
  return { lat: from.lat + (to.lat - from.lat) * share, lon: from.lon + (to.lon - from.lon) * share };
}

function brief(name) {
  const runes = [...name];
  return runes.length > 16 ? `${runes.slice(0, 15).join('')}…` : name;
}

function line(ctx, a, b) {
  ctx.beginPath();
  ctx.moveTo(a.x, a.y);
  ctx.lineTo(b.x, b.y);
  ctx.stroke();
}

function trace(ctx, pixels) {
  ctx.moveTo(pixels[0].x, pixels[0].y);
  for (let i = 1; i < pixels.length; i++) ctx.lineTo(pixels[i].x, pixels[i].y);
}

function ring(ctx, { x, y }, radius, colour) {
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.strokeStyle = colour;
  ctx.lineWidth = 2;
  ctx.stroke();
}

function outlined(ctx, words, x, y, under, over) {
  ctx.lineJoin = 'round';
  ctx.lineWidth = 3;
  ctx.strokeStyle = under;
  ctx.strokeText(words, x, y);
  ctx.fillStyle = over;
  ctx.fillText(words, x, y);
}
