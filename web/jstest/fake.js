// A clock that stands still until told, and sockets that do as they are told.

export class FakeClock {
  #now = 1_773_446_400_000; #timers = new Map(); #next = 1;

  constructor() {
    this.Date = { now: () => this.#now };
  }

  setTimeout = (f, ms = 0) => {
    this.#timers.set(this.#next, { f, at: this.#now + ms });
    return this.#next++;
  };

  clearTimeout = (id) => void this.#timers.delete(id);

  get pending() {
    return this.#timers.size;
  }

  /** Lets time pass, and every timer run that falls due, in order. */
  async pass(ms) {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const due = [...this.#timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = Math.max(this.#now, due[1].at);
      due[1].f();
    }
    this.#now = end;
    await settle();
  }
}

/** Lets promises that are due run. */
export async function settle() {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

export class FakeSocket {
  readyState = 0; sent = []; closedWith = null;

  constructor(url, protocols) {
    this.url = url;
    this.protocols = protocols;
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.readyState = 3;
    this.closedWith ??= code;
  }

  open() {
    this.readyState = 1;
    this.onopen({});
  }

  say(t, b = {}, re = undefined) {
    this.raw(JSON.stringify({ t, re, b }));
  }

  raw(data) {
    this.onmessage({ data });
  }

  die(code) {
    this.readyState = 3;
    this.onclose({ code });
  }
}
