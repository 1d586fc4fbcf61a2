// The roads beneath the plan, as the server packs them: see roads.go.

const UNITS = 1e5; // in a degree
const RANKS = 4;

/**
 * Unpacks what /roads.json holds into [{rank, points}], each point {lat, lon}. A line
 * that makes no sense is left out, for the page is worth more than its roads.
 */
export function readRoads(body) {
  const lines = Array.isArray(body?.lines) ? body.lines : [];
  return lines.map(readLine).filter((line) => line !== null);
}

function readLine(numbers) {
  if (!Array.isArray(numbers) || numbers.length < 5 || numbers.length % 2 === 0 || !numbers.every(Number.isInteger)) return null;
  const [rank, ...steps] = numbers;
  const points = [];
  let [lat, lon] = [0, 0];
  for (let i = 0; i < steps.length; i += 2) {
    lat += steps[i];
    lon += steps[i + 1];
    points.push({ lat: lat / UNITS, lon: lon / UNITS });
  }
  const sound = rank >= 0 && rank < RANKS && points.every((p) => Math.abs(p.lat) <= 90 && Math.abs(p.lon) <= 180);
  return sound ? { rank, points } : null;
}
