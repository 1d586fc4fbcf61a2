// Puts the page together: who is looking, the connection, and what is shown.

import { readBoard, Villages } from './board.js';
import { Changes } from './changes.js';
import { Client } from './client.js';
import { Desk } from './desk.js';
import { Focus } from './focus.js';
import { Plan } from './map.js';
import { mark } from './marks.js';
import { Page, put, putName } from './page.js';
import { readRoads } from './roads.js';
import { preferred, Words } from './words.js';

const $ = (id) => document.getElementById(id);
const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content;

// Storage can be forbidden; the page then forgets, and works.
function keep(storage, key, value) {
  try {
    if (value === null) window[storage].removeItem(key);
    else window[storage].setItem(key, value);
  } catch { /* not kept */ }
}

function recall(storage, key) {
  try {
    return window[storage].getItem(key);
  } catch {
    return null;
  }
}

const TOKEN = 'cuntong.token';
const LANGUAGE = 'cuntong.language';

const words = new Words(recall('localStorage', LANGUAGE) ?? preferred(navigator.languages));
const villages = new Villages();
const focus = new Focus(() => highlight(false));
const page = new Page(words, focus, serverNow);
const plan = new Plan($('plan'), words, focus);

const state = {
  board: null,
  link: 'off', detail: {},
  nextTryAt: 0,
  ahead: 0, // the server's clock minus ours, ms
  token: recall('sessionStorage', TOKEN) ?? '',
  demo: meta('demo') !== undefined,
  demoTries: 0, // demo tokens fetched since the last one that opened the board
  why: '', // the demo gave no token because of this
  signIn: {}, // why a token has to be given by hand, as Client says it
};

function serverNow() {
  return Date.now() + state.ahead;
}

const client = new Client({
  url: new URL('ws', location.href).href.replace(/^http/, 'ws'),
  token,
  on: { link, board, road: (b) => changes.told(b), look: (b) => desk.told(b) },
});
const changes = new Changes({ words, plan, villages: () => villages.all(), now: serverNow, ask: (type, body) => client.ask(type, body) });
const desk = new Desk({ words, plan, focus, now: serverNow, ask: (type, body) => client.ask(type, body) });

// A token in the fragment never leaves the browser; it is taken out of the address
// at once, so that it does not stay in the history either.
function takeFragment() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return false;
  history.replaceState(null, '', location.pathname + location.search);
  useToken(found[1]);
  return true;
}

function useToken(given) {
  state.token = given.trim();
  keep('sessionStorage', TOKEN, state.token);
}

function forgetToken() {
  state.token = '';
  keep('sessionStorage', TOKEN, null);
}

// The token to connect with: the one given, else, in a demo, one from the server.
// A demo token is asked for anew each time, for it is short-lived.
async function token() {
  if (state.token || !state.demo) return state.token;
  const answer = await fetch('demo/token', { cache: 'no-store' });
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 403 || answer.status === 404) {
    state.why = String(body.error ?? '');
    return '';
  }
  if (!answer.ok || typeof body.token !== 'string') throw new Error('no token now');
  return body.token;
}

function link(to, detail) {
  state.link = to;
  state.detail = detail;
  if (to === 'live') welcome(detail.welcome);
  if (to === 'waiting') state.nextTryAt = Date.now() + detail.ms;
  if (to === 'token' && retryDemo()) return;
  if (to === 'token') askForToken(detail);
  showLink();
}

function welcome(b) {
  state.demoTries = 0;
  if (Number.isFinite(b.server_time)) state.ahead = b.server_time - Date.now();
  $('sign-in').hidden = true;
  $('board').hidden = false;
}

// A demo token that is turned down was made by a server that has since begun anew:
// fetch another, once. Whoever was given a token by hand is asked for it again.
function retryDemo() {
  if (!state.demo || state.token || state.why || state.demoTries > 0) return false;
  state.demoTries++;
  client.start();
  return true;
}

function askForToken(detail) {
  forgetToken();
  desk.forget();
  state.signIn = detail;
  showSignIn();
  $('sign-in').hidden = false;
  $('board').hidden = true;
  $('token').focus();
}

function showSignIn() {
  const { why, code = 0 } = state.signIn;
  const refused = why === 'role' ? words.say('tokenRole') : words.close(code);
  put($('sign-in-why'), refused || (state.why && words.say('noDemoToken', { why: state.why })));
}

function board(b) {
  state.board = readBoard(b);
  villages.learn(state.board);
  page.show(state.board);
  plan.show(state.board, villages.all());
  changes.show(state.board.roads);
  desk.show(state.board);
  highlight(false);
  showCounty();
  showPlanWords();
}

// Without its roads the page works as before: they are asked for once, and their
// credit stands beside the plan only once they are drawn.
async function fetchRoads() {
  if (meta('roads') === undefined) return;
  try {
    const answer = await fetch('roads.json');
    if (answer.ok) plan.lay(readRoads(await answer.json()));
  } catch { /* no roads */ }
  showPlanWords();
}

function highlight(scroll) {
  const found = focus.resolve(state.board);
  page.highlight(found, scroll);
  plan.highlight(found);
}

const LINKS = {
  off: 'linkOff', connecting: 'linkConnecting', live: 'linkLive', waiting: 'linkWaiting',
  token: 'linkToken', replaced: 'linkReplaced', broken: 'linkBroken',
};

function showLink() {
  document.body.dataset.link = state.link;
  const planned = state.link === 'waiting' && state.detail.planned;
  put($('link-word'), words.say(planned ? 'linkPlanned' : LINKS[state.link]));
  const again = { replaced: 'takeOver', broken: 'tryAgain' }[state.link];
  $('link-go').hidden = !again;
  if (again) put($('link-go'), words.say(again));
  showMore();
}

// What changes every second stands outside of what is read out to the blind.
function showMore() {
  const parts = [];
  const lost = state.link !== 'live' && state.link !== 'token';
  if (lost && state.board) parts.push(words.say('asOf', { time: words.time(state.board.at, true) }));
  if (lost) parts.push(words.close(state.detail.code ?? 0));
  if (state.link === 'waiting') parts.push(words.say('retryIn', { s: Math.max(0, Math.ceil((state.nextTryAt - Date.now()) / 1000)) }));
  put($('link-more'), parts.filter(Boolean).join(' · '));
  $('link-more').title = $('link-more').textContent;
}

function showCounty() {
  const name = meta('county') || state.board?.area || words.say('title');
  putName($('county'), name);
  const waiting = state.board?.numbers.waiting;
  document.title = `${waiting ? `(${waiting}) ` : ''}${name} · 村通`;
}

function showPlanWords() {
  const n = state.board?.drivers.length ?? 0;
  $('plan').setAttribute('aria-label', words.say('planLabel', { drivers: n, waiting: state.board?.waiting.length ?? 0 }));
  $('plan-empty').hidden = !plan.empty;
  put($('plan-note'), plan.laid ? words.say('planRoads', { credit: meta('roads') }) : words.say('planNote'));
  put($('beyond'), plan.beyond ? words.say('beyond', { n: plan.beyond }) : '');
}

function showLegend() {
  const entries = ['Free', 'Asked', 'Coming', 'Riding', 'Silent', 'Waiting'].map((name) => {
    const li = document.createElement('li');
    li.dataset.look = name.toLowerCase();
    li.append(mark(name.toLowerCase()), words.say(`legend${name}`));
    return li;
  });
  $('legend').replaceChildren(...entries);
}

function showRibbon() {
  $('ribbon').hidden = !state.demo;
  put($('note'), (words.tag === 'en' && meta('demo')) || words.say('demoNote'));
}

function showWords() {
  document.documentElement.lang = words.tag;
  for (const node of document.querySelectorAll('[data-word]')) {
    const target = node.querySelector('.mark') ? node.lastChild : node;
    put(target, words.say(node.dataset.word));
  }
  const button = $('language');
  put(button, words.say('otherLanguage'));
  button.lang = words.other;
  button.setAttribute('aria-label', words.say('otherLanguageLabel'));
  $('card-shut').setAttribute('aria-label', words.say('close'));
  showRibbon();
  showLegend();
  showSignIn();
  showLink();
  showCounty();
  showPlanWords();
  page.tick();
  plan.refresh();
  changes.refresh();
  desk.refresh();
  highlight(false);
}

function tick() {
  const now = serverNow();
  put($('clock'), words.time(now, true));
  $('clock').dateTime = new Date(now).toISOString();
  showMore();
  page.tick();
  changes.tick();
  desk.tick();
  setTimeout(tick, 1000 - (now % 1000));
}

function listen() {
  $('language').addEventListener('click', () => {
    words.use(words.other);
    keep('localStorage', LANGUAGE, words.tag);
    showWords();
  });
  $('sign-in-form').addEventListener('submit', (e) => {
    e.preventDefault();
    useToken($('token').value);
    $('token').value = '';
    client.start();
  });
  $('link-go').addEventListener('click', () => client.start());
  $('card-shut').addEventListener('click', () => {
    focus.pin(null);
    $('plan').focus();
  });
  $('card-look').addEventListener('click', () => {
    const { driver, trip } = focus.resolve(state.board) ?? {};
    if (driver) desk.open('look driver', driver.id);
    else if (trip) desk.open('look trip', trip.id);
  });
  addEventListener('keydown', (e) => e.key === 'Escape' && focus.pin(null));
  $('plan').addEventListener('click', () => highlight(true));
  addEventListener('hashchange', () => takeFragment() && client.start());
  addEventListener('online', () => client.hurry());
  addEventListener('pagehide', () => client.stop());
  addEventListener('pageshow', (e) => e.persisted && client.start());
}

takeFragment();
listen();
showWords();
tick();
fetchRoads();
client.start();
