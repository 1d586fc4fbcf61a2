import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const css = readFileSync(new URL('../static/app.css', import.meta.url), 'utf8');

/** The colours of a theme: the first :root by day, the second on top of it by night. */
function themes() {
  const [day, night] = [...css.matchAll(/:root \{([^}]*)\}/g)].map((m) => Object.fromEntries([...m[1].matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map((c) => [c[1], c[2]])));
  return { day, night: { ...day, ...night } };
}

// Relative luminance and contrast as in WCAG 2.2.
function luminance(hex) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
  return (x + 0.05) / (y + 0.05);
}

const STATES = ['waiting', 'asked', 'coming', 'riding', 'free', 'busy', 'silent', 'done', 'ended', 'other', 'closed', 'slow'];
const PAIRS = [
  ...['ink', 'muted', ...STATES].flatMap((c) => ['surface', 'ground', 'hover'].map((under) => [c, under])),
  ['ink', 'paper'], ['bar-ink', 'bar'], ['bar-muted', 'bar'], ['ribbon-ink', 'ribbon'], ['accent-ink', 'accent'],
];

test('every word can be read: contrast of 4.5 or more, by day and by night', () => {
  for (const [name, theme] of Object.entries(themes())) {
    for (const [over, under] of PAIRS) {
      const c = contrast(theme[over], theme[under]);
      assert.ok(c >= 4.5, `${name}: ${over} on ${under} is ${c.toFixed(2)}`);
    }
  }
});

test('what is no word but must be seen has 3 or more', () => {
  for (const [name, theme] of Object.entries(themes())) {
    for (const [over, under] of [['accent', 'surface'], ['accent', 'paper'], ['lamp-live', 'bar'], ['lamp-lost', 'bar'], ['lamp-busy', 'bar']]) {
      const c = contrast(theme[over], theme[under]);
      assert.ok(c >= 3, `${name}: ${over} on ${under} is ${c.toFixed(2)}`);
    }
  }
});
