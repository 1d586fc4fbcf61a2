// The shapes that stand for states, and for roads that are not as usual, in tables and on the plan. Each state has a
// shape of its own besides its colour: one reader in twelve does not see the colours
// apart, and a screen across the room is seen by all of them.

/** Paths around 0,0, about 10 units across. */
export const SHAPES = new Map([
  ['free', 'M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0Z'],
  ['asked', 'M0-6.2L6.2 0L0 6.2L-6.2 0Z'],
  ['coming', 'M0-6L5.6 4.6L-5.6 4.6Z'],
  ['riding', 'M-4.7-4.7H4.7V4.7H-4.7Z'],
  ['silent', 'M4 0A4 4 0 1 1-4 0A4 4 0 1 1 4 0ZM-6 6L6-6'],
  ['waiting', 'M5.4 0A5.4 5.4 0 1 1-5.4 0A5.4 5.4 0 1 1 5.4 0ZM2.4 0A2.4 2.4 0 1 0-2.4 0A2.4 2.4 0 1 0 2.4 0Z'],
  ['done', 'M-5 .4L-1.6 4L5.2-3.6'],
  ['ended', 'M-4-4L4 4M4-4L-4 4'],
  ['other', 'M-4 0H4'],
  ['closed', 'M6 0A6 6 0 1 1-6 0A6 6 0 1 1 6 0ZM-3.8-1.3V1.3H3.8V-1.3Z'],
  ['slow', 'M0-6.4L6.2 5H-6.2ZM-.9-2.4V1.4H.9V-2.4ZM-.9 2.4V3.9H.9V2.4Z'],
]);

/** What strikes through the shape of a driver whom nobody can reach; the shape itself is then hollow. */
export const STRUCK = 'M-6 6L6-6';

/** Shapes that are lines and not areas. */
export const HOLLOW = new Set(['silent', 'done', 'ended', 'other']);

const SVG = 'http://www.w3.org/2000/svg';

/** A mark for a table or a legend. It says nothing that is not also in words beside it. */
export function mark(look) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '-7 -7 14 14');
  svg.setAttribute('class', 'mark');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(document.createElementNS(SVG, 'path'));
  setMark(svg, look);
  return svg;
}

/** Turns a mark into another; away: of a driver whom nobody can reach. */
export function setMark(svg, look, away = false) {
  const struck = away && !HOLLOW.has(look);
  const as = struck ? `${look} away` : look;
  if (svg.dataset.look === as) return;
  svg.dataset.look = as;
  svg.firstChild.setAttribute('d', (SHAPES.get(look) ?? SHAPES.get('other')) + (struck ? STRUCK : ''));
  svg.classList.toggle('hollow', struck || HOLLOW.has(look));
}
