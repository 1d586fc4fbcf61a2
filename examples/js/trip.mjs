// Drives one trip against a real server, whose address and token are the arguments; the
// network goes after the accept and is back when the ride is over.
import { Cuntong } from './cuntong.js';

const [url, token] = process.argv.slice(2);
const kept = new Map(), store = { getItem: (k) => kept.get(k) ?? null, setItem: (k, v) => kept.set(k, v) };
let answered = [], driven = false;
const make = () => new Cuntong({
  urls: [url], role: 'driver', token: async () => token, store, random: () => 0.1, on,
});

function on(kind, x) {
  if (kind === 'ended') fail(`ended with ${x}`);
  if (kind === 'answered') {
    if (x.refused) fail(`${x.command.t} refused: ${x.refused.code}`);
    answered.push(x.command.t);
  }
  if (kind === 'told' && x.t === 'offer') c.do('accept', { trip: x.b.trip, offer: x.b.offer });
  const trip = [...c.picture.trips.values()].find((t) => c.shown(t) === 'assigned');
  if (trip && !driven) void drive(trip);
  if (answered.at(-1) === 'complete') {
    console.log(answered.join(' '));
    c.stop();
  }
}

async function drive(trip) {
  driven = true;
  c.stop(); // the program dies in the dark, and starts again
  c = make();
  for (const t of ['arrive', 'start', 'complete']) c.do(t, { trip: trip.trip });
  if (c.shown(trip) !== 'completed' || c.open !== 3) fail('what was done is not shown');
  await new Promise((r) => setTimeout(r, 2_500));
  c.start();
}

function fail(why) { console.error(why); process.exit(1); }

let c = make();
c.start();
c.do('duty', { on: true });
const spot = setInterval(() => (c.position({ lat: 26.47, lon: 108.04, datum: 'wgs84', at: Date.now() }), answered.at(-1) === 'complete' && clearInterval(spot)), 500);
setTimeout(() => fail(`too late: ${answered}`), 60_000).unref();
