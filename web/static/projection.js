// The arithmetic of the plan: from degrees to pixels, a scale that reads well, and
// labels that do not lie on each other. Nothing here draws.

const METRES_A_DEGREE = 111_195; // of a sphere of 6,371,009 m
const MAX_LABELS = 70;

/** The middle of a list of numbers. */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** Projection puts points into a box of pixels. */
export class Projection {
  #lat0; #lon0; #wide; #box;

  constructor(points) {
    this.#lat0 = median(points.map((p) => p.lat));
    this.#lon0 = median(points.map((p) => p.lon));
    this.#wide = Math.cos((this.#lat0 * Math.PI) / 180);
    this.#box = boxOf(nearMost(points.map((p) => this.metres(p))));
    this.fit(1, 1);
  }

  /** East and south of the middle, in metres. */
  metres({ lat, lon }) {
    return { x: (lon - this.#lon0) * this.#wide * METRES_A_DEGREE, y: (this.#lat0 - lat) * METRES_A_DEGREE };
  }

  /** Says whether a point lies within what is shown. */
  holds(point) {
    const { x, y } = this.metres(point);
    const b = this.#box;
    return x >= b.left && x <= b.right && y >= b.top && y <= b.bottom;
  }

  /** Fits what is shown into this many pixels. */
  fit(width, height, edge = 0) {
    const b = this.#box;
    const w = Math.max(1, width - 2 * edge);
    const h = Math.max(1, height - 2 * edge);
    this.scale = Math.min(w / (b.right - b.left), h / (b.bottom - b.top));
    this.x0 = width / 2 - (this.scale * (b.left + b.right)) / 2;
    this.y0 = height / 2 - (this.scale * (b.top + b.bottom)) / 2;
  }

  pixels(point) {
    const { x, y } = this.metres(point);
    return { x: this.x0 + x * this.scale, y: this.y0 + y * this.scale };
  }

  /** The point that lies at a pixel: pixels() the other way round. */
  point({ x, y }) {
    const east = (x - this.x0) / this.scale / METRES_A_DEGREE / this.#wide;
    const south = (y - this.y0) / this.scale / METRES_A_DEGREE;
    return { lat: this.#lat0 - south, lon: this.#lon0 + east };
  }
}

// A phone that thinks it is on another continent must not shrink the county to a
// dot: what lies many times farther out than most is left beyond the edge.
function nearMost(points) {
  const far = points.map((p) => Math.hypot(p.x, p.y));
  const limit = Math.max(5000, 6 * median(far));
  return points.filter((_, i) => far[i] <= limit);
}

function boxOf(points) {
  const b = { left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity };
  for (const { x, y } of points) {
    b.left = Math.min(b.left, x);
    b.right = Math.max(b.right, x);
    b.top = Math.min(b.top, y);
    b.bottom = Math.max(b.bottom, y);
  }
  const margin = Math.max(500, 0.03 * Math.max(b.right - b.left, b.bottom - b.top));
  return { left: b.left - margin, right: b.right + margin, top: b.top - margin, bottom: b.bottom + margin };
}

/** The longest of 1, 2 or 5 times a power of ten that is no longer than most. */
export function roundLength(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].map((n) => n * power).find((n) => n <= most) ?? power;
}

/**
 * Chooses which labels fit. The first come first; each takes one of four sides, the
 * first that is free. Returns {label, x, y, align} in pixels.
 */
export function settle(labels, taken, size, bounds) {
  const out = [];
  const boxes = [...taken];
  for (const label of labels) {
    if (out.length === MAX_LABELS) break;
    for (const side of sides(label, size)) {
      if (!inside(side.box, bounds) || boxes.some((b) => overlap(b, side.box))) continue;
      boxes.push(side.box);
      out.push({ label, x: side.x, y: side.y, align: side.align });
      break;
    }
  }
  return out;
}

function sides({ x, y, width, gap }, size) {
  const h = size / 2;
  const box = (left, top) => ({ left, top, right: left + width, bottom: top + size });
  return [
    { x: x + gap, y, align: 'left', box: box(x + gap, y - h) },
    { x: x - gap, y, align: 'right', box: box(x - gap - width, y - h) },
    { x, y: y - gap - h, align: 'center', box: box(x - width / 2, y - gap - size) },
    { x, y: y + gap + h, align: 'center', box: box(x - width / 2, y + gap) },
  ];
}

function inside(box, { width, height }) {
  return box.left >= 2 && box.right <= width - 2 && box.top >= 2 && box.bottom <= height - 2;
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
