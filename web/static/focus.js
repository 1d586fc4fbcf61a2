// What the reader looks at: one driver with whatever he is doing, or one trip with
// whoever drives it. Tables and plan point at the same thing through it.

/** A target is {driver, trip}: the id of one of them, the other ''. */
export class Focus {
  #pinned = null; #pointed = null; #changed;

  /** changed() is called whenever the target is another. */
  constructor(changed = () => {}) {
    this.#changed = changed;
  }

  /** What is shown: what is pointed at, else what is pinned; null is nothing. */
  get target() {
    return this.#pointed ?? this.#pinned;
  }

  get pinned() {
    return this.#pinned;
  }

  /** Points at a target while a pointer or the keyboard rests on it; null lets go. */
  point(target) {
    if (same(this.#pointed, target)) return;
    this.#pointed = target;
    this.#changed();
  }

  /** Keeps a target until another is pinned; null lets go. */
  pin(target) {
    if (same(this.#pinned, target)) return;
    this.#pinned = target;
    this.#changed();
  }

  /** Pins a target, or lets go of it when it is pinned already. */
  toggle(target) {
    this.pin(same(this.#pinned, target) ? null : target);
  }

  /** Finds the target on a board: {driver, trip}, of which one may be null; null when it is gone. */
  resolve(board) {
    const target = this.target;
    if (target === null || board === null) return null;
    const trips = [...board.driving, ...board.waiting, ...board.ended];
    const driver = board.drivers.find((d) => (target.driver ? d.id === target.driver : d.trip === target.trip)) ?? null;
    const id = target.driver ? driver?.trip : target.trip;
    const trip = trips.find((t) => t.id === id) ?? null;
    return driver || trip ? { driver, trip } : null;
  }
}

function same(a, b) {
  return a === b || (a !== null && b !== null && a.driver === b.driver && a.trip === b.trip);
}
