// Every sentence of the page, in each language; those for the server's codes are in
// refusals.js. A test holds the languages against each other: the same words, the same
// {blanks}.

import { CLOSES, REFUSALS } from './refusals.js';

const en = {
  title: 'Dispatch board',
  demo: 'Demo',
  demoNote: 'Simulated drivers and riders; vehicles move many times faster than life; the places are real.',
  otherLanguage: '中文',
  otherLanguageLabel: '切换为中文',

  linkOff: 'Off',
  linkConnecting: 'Connecting',
  linkLive: 'Live',
  linkWaiting: 'Connection lost',
  linkPlanned: 'Server is moving',
  linkToken: 'Not signed in',
  linkReplaced: 'Opened elsewhere',
  linkBroken: 'Cannot understand the server',
  retryIn: 'next try in {s} s',
  asOf: 'as of {time}',
  takeOver: 'Use it here',
  tryAgain: 'Try again',

  signIn: 'Sign in as an operator',
  signInHint: 'Paste an operator token. It stays in this tab and is never put into the address.',
  signInMake: 'Made on the server with',
  signInGo: 'Open the board',
  token: 'Operator token',
  tokenRole: 'This token is not an operator’s.',
  noDemoToken: 'No demo token: {why}',

  numbers: 'The county in numbers',
  waiting: 'Waiting',
  asked: 'Being asked',
  coming: 'On the way',
  riding: 'Riding',
  completed: 'Completed',
  longest: 'longest {time}',
  nobodyWaits: 'nobody waits',
  atPickup: '{n} at the pickup',
  ofEnded: 'of the last {n}',
  lost: '{cancelled} cancelled, {unserved} unserved',
  drivers: 'Drivers on duty',
  free: 'free',
  busy: 'busy',
  silent: 'silent',
  latency: 'Request to offer',
  latencyMost: 'median; 99 % in {time}; {n} offers',

  queue: 'Who is waiting',
  queueCaption: 'Trips without a driver, first in the queue first',
  queueEmpty: 'Nobody is waiting.',
  firstOf: '{n} of {total}',
  place: 'Place',
  route: 'From, to',
  seats: 'Seats',
  howLong: 'Waiting',
  askedBy: 'Booked by',
  state: 'State',
  notQueued: 'not in the queue',
  minutesLeft: '{time} left',
  expected: '≈ {time}',
  expectedAt: 'expected at the pickup',
  to: 'to',

  driving: 'Who drives',
  drivingCaption: 'Trips with a driver, newest first',
  drivingEmpty: 'Nobody is driving a trip.',
  driver: 'Driver',
  vehicle: 'Vehicle',
  since: 'Since',
  overdue: 'overdue',
  cut: 'no road',

  roads: 'Roads today',
  roadsEmpty: 'No road is closed.',
  roadNew: 'Close a road…',
  roadWhere: 'Where',
  roadWhereHint: 'Click on the plan, or type latitude, longitude (WGS‑84).',
  roadWhat: 'What',
  roadRadius: 'How much',
  roadUntil: 'Until',
  roadNote: 'Why',
  roadDo: 'Do it',
  roadCancel: 'Cancel',
  roadClosed: 'closed',
  roadPace: 'at {n} % of the usual pace',
  roadMass: 'up to {n} t',
  roadHeight: 'up to {n} m high',
  roadWide: 'up to {n} m wide',
  roadNearest: 'the nearest road',
  roadWithin: 'all within {distance}',
  roadHours: '{n} hours',
  roadDay: 'a day',
  roadWeek: 'a week',
  roadOpen: 'lifted by hand',
  roadExtent: '{n} segments, {distance}',
  roadSince: 'from {time}',
  roadTo: 'until {time}',
  roadNotNow: 'not at this hour',
  roadNameless: 'road without a name',
  roadNear: 'road near {place}',
  roadLift: 'Lift',
  roadSure: 'Really lift?',
  roadLiftLabel: '{action} {road}',
  roadTold: 'It holds: {road}, {extent}.',
  roadLifted: 'Lifted: {road}.',
  roadBadPlace: 'Give a place as two numbers, such as 26.0421, 109.1314.',
  roadLongNote: 'This is too long. Keep it within 200 bytes.',
  roadNoLink: 'There is no connection. It may not have been done: look at the list.',

  desk: 'To watch',
  deskEmpty: 'Nobody needs watching.',
  deskNew: 'Look or bar…',
  deskWhat: 'What',
  deskId: 'Whom, by id',
  deskHint: 'Who looks, at whom and why is recorded.',
  deskDo: 'Look',
  deskBar: 'Bar',
  deskSure: 'Really bar {who}?',
  deskHour: 'an hour',
  deskLook: 'Look…',
  deskLookAt: 'Look closely at {who}',
  deskWho: 'Say whom.',
  deskNoReason: 'Say why: it is recorded with your name.',
  deskRecorded: 'Recorded: you looked at {who} at {time}. Why: {why}',
  deskNothing: 'The server shows nothing.',
  deskNoFix: 'His present position is not known.',
  deskAccuracy: '± {n} m',
  deskLink: 'round trip {time}',
  deskDriver: 'driver {who}',
  deskCode: 'start code {code}',
  deskUnseen: 'an offer has not reached his phone',
  deskBarred: 'barred',
  deskBarredDriver: 'barred: he cannot report on his trip',
  deskIsBarred: 'Barred: {who}, {time}.',
  deskLifted: 'Let in again: {who}.',
  deskNoLink: 'There is no connection. It may not have been done: try again.',
  noLink: 'no link, {time}',
  comma: ', ',

  'act.look driver': 'Look at a driver',
  'act.look trip': 'Look at a trip',
  'act.bar driver': 'Bar a driver',
  'act.bar passenger': 'Bar a passenger',
  'act.bar agent': 'Bar a village agent',
  'act.bar operator': 'Bar an operator',

  'sign.teleport': 'jumps faster than anything drives',
  'sign.frozen': 'says he drives, and stands still',
  'sign.copied': 'drives where another did, point by point',
  'sign.mock': 'the phone says the position is made up',
  'sign.speed': 'says he is faster than anything drives',
  'sign.clock': 'the phone’s clock goes wrong',

  ended: 'Last ended',
  endedCaption: 'The last trips that ended, newest first',
  endedEmpty: 'No trip has ended yet.',
  endedAt: 'Ended',
  outcome: 'Outcome',
  lasted: 'Took',

  plan: 'Where they are',
  planLabel: 'Plan of the county, north up: {drivers} drivers, {waiting} waiting pickups. Left and right arrow keys step through the drivers.',
  planEmpty: 'No positions yet.',
  planNote: 'Straight lines show who goes where. No roads are shown.',
  planRoads: 'Straight lines show who goes where. Roads: {credit}',
  north: 'N',
  beyond: '{n} beyond the edge',
  legendFree: 'free',
  legendAsked: 'being asked',
  legendComing: 'on the way',
  legendRiding: 'riding',
  legendSilent: 'silent',
  legendWaiting: 'waiting',
  cardSeats: '{n} seats',
  cardHeard: 'heard {time} ago',
  cardSilent: 'not heard of lately',
  cardDoubtful: 'positions doubted: {signs}',
  cardPoor: 'positions much doubted: {signs}',
  cardFree: 'free',
  close: 'Close',

  seconds: '{n} s',
  minutes: '{n} min',
  hours: '{h} h {m}',
  ms: '{n} ms',
  km: '{n} km',
  metres: '{n} m',

  'state.requested': 'looking',
  'state.parked': 'waiting',
  'state.offered': 'being asked',
  'state.assigned': 'on the way',
  'state.arrived': 'at the pickup',
  'state.riding': 'riding',
  'state.completed': 'completed',
  'state.cancelled': 'cancelled',
  'state.unserved': 'unserved',

  'role.passenger': 'passenger',
  'role.agent': 'village agent',
  'role.operator': 'desk',
  'role.driver': 'driver',
  'role.system': 'system',

  'why.changed_mind': 'changed their mind',
  'why.found_other': 'found another ride',
  'why.too_long': 'took too long',
  'why.mistake': 'booked by mistake',
  'why.no_show': 'nobody there',
  'why.breakdown': 'breakdown',
  'why.road': 'road blocked',
  'why.overdue': 'overdue',
  'why.no_driver': 'no driver',
  'why.other': 'other reason',
  cancelledBy: 'by {who}: {why}',

  'class.car': 'car',
  'class.minivan': 'minivan',
  'class.minibus': 'minibus',
  'class.bus': 'bus',
  'class.pickup': 'pickup',
};

const zh = {
  title: '调度看板',
  demo: '演示',
  demoNote: '司机与乘客均为模拟；车辆行驶速度远快于实际；地名真实。',
  otherLanguage: 'English',
  otherLanguageLabel: 'Switch to English',

  linkOff: '已断开',
  linkConnecting: '正在连接',
  linkLive: '实时',
  linkWaiting: '连接中断',
  linkPlanned: '服务器切换中',
  linkToken: '未登录',
  linkReplaced: '已在别处打开',
  linkBroken: '与服务器无法互通',
  retryIn: '{s} 秒后重试',
  asOf: '截至 {time}',
  takeOver: '在此使用',
  tryAgain: '重试',

  signIn: '调度员登录',
  signInHint: '请粘贴调度员令牌。令牌只保存在本标签页，不会出现在网址中。',
  signInMake: '在服务器上用此命令生成',
  signInGo: '打开看板',
  token: '调度员令牌',
  tokenRole: '此令牌不是调度员令牌。',
  noDemoToken: '无法取得演示令牌：{why}',

  numbers: '全县概况',
  waiting: '等车',
  asked: '派单中',
  coming: '接驾中',
  riding: '行程中',
  completed: '已完成',
  longest: '最长 {time}',
  nobodyWaits: '无人等车',
  atPickup: '{n} 单已到上车点',
  ofEnded: '最近 {n} 单中',
  lost: '取消 {cancelled}，无车 {unserved}',
  drivers: '在岗司机',
  free: '空闲',
  busy: '忙碌',
  silent: '失联',
  latency: '叫车到派单',
  latencyMost: '中位数；99 % 不超过 {time}；{n} 次',

  queue: '谁在等车',
  queueCaption: '尚无司机的订单，排在前面的在先',
  queueEmpty: '现在没有人等车。',
  firstOf: '共 {total}，显示 {n}',
  place: '排位',
  route: '起点、终点',
  seats: '人数',
  howLong: '已等',
  askedBy: '下单人',
  state: '状态',
  notQueued: '不在队列中',
  minutesLeft: '剩 {time}',
  expected: '约 {time}',
  expectedAt: '预计到达上车点',
  to: '到',

  driving: '谁在路上',
  drivingCaption: '已有司机的订单，最新的在先',
  drivingEmpty: '现在没有进行中的行程。',
  driver: '司机',
  vehicle: '车辆',
  since: '持续',
  overdue: '超时',
  cut: '道路不通',

  roads: '今日道路',
  roadsEmpty: '没有封闭的道路。',
  roadNew: '封闭道路…',
  roadWhere: '地点',
  roadWhereHint: '在图上点选，或输入纬度、经度（WGS-84）。',
  roadWhat: '措施',
  roadRadius: '范围',
  roadUntil: '截止',
  roadNote: '原因',
  roadDo: '执行',
  roadCancel: '取消',
  roadClosed: '封闭',
  roadPace: '车速为平常的 {n} %',
  roadMass: '限重 {n} 吨',
  roadHeight: '限高 {n} 米',
  roadWide: '限宽 {n} 米',
  roadNearest: '最近的一段路',
  roadWithin: '{distance}以内的所有道路',
  roadHours: '{n} 小时',
  roadDay: '一天',
  roadWeek: '一周',
  roadOpen: '手动解除',
  roadExtent: '{n} 段，{distance}',
  roadSince: '{time} 起',
  roadTo: '至 {time}',
  roadNotNow: '此时不生效',
  roadNameless: '无名道路',
  roadNear: '{place}附近的道路',
  roadLift: '解除',
  roadSure: '确定解除？',
  roadLiftLabel: '{action}{road}',
  roadTold: '已生效：{road}，{extent}。',
  roadLifted: '已解除：{road}。',
  roadBadPlace: '请输入两个数字，例如 26.0421, 109.1314。',
  roadLongNote: '太长，请不要超过 66 个汉字。',
  roadNoLink: '没有连接，可能尚未执行：请查看列表。',

  desk: '需要留意',
  deskEmpty: '没有需要留意的司机。',
  deskNew: '查看或禁用…',
  deskWhat: '操作',
  deskId: '对象（编号）',
  deskHint: '谁查看了谁、为何查看，都会被记录。',
  deskDo: '查看',
  deskBar: '禁用',
  deskSure: '确定禁用 {who}？',
  deskHour: '一小时',
  deskLook: '查看…',
  deskLookAt: '仔细查看 {who}',
  deskWho: '请填写对象。',
  deskNoReason: '请填写原因：原因会与您的名字一起记录。',
  deskRecorded: '已记录：您于 {time} 查看了 {who}。原因：{why}',
  deskNothing: '服务器没有显示任何内容。',
  deskNoFix: '目前位置未知。',
  deskAccuracy: '误差 ± {n} 米',
  deskLink: '往返 {time}',
  deskDriver: '司机 {who}',
  deskCode: '上车码 {code}',
  deskUnseen: '有派单没有送达他的手机',
  deskBarred: '已禁用',
  deskBarredDriver: '已禁用，无法报告行程',
  deskIsBarred: '已禁用：{who}，{time}。',
  deskLifted: '已解除禁用：{who}。',
  deskNoLink: '没有连接，可能尚未执行：请重试。',
  noLink: '失联 {time}',
  comma: '、',

  'act.look driver': '查看司机',
  'act.look trip': '查看订单',
  'act.bar driver': '禁用司机',
  'act.bar passenger': '禁用乘客',
  'act.bar agent': '禁用村代办',
  'act.bar operator': '禁用调度员',

  'sign.teleport': '位置跳动，快过任何车辆',
  'sign.frozen': '自称行驶却原地不动',
  'sign.copied': '轨迹与他人逐点相同',
  'sign.mock': '手机提示位置是虚拟的',
  'sign.speed': '自报速度快过任何车辆',
  'sign.clock': '手机时钟异常',

  ended: '最近结束',
  endedCaption: '最近结束的订单，最新的在先',
  endedEmpty: '还没有订单结束。',
  endedAt: '时间',
  outcome: '结果',
  lasted: '用时',

  plan: '车在哪里',
  planLabel: '全县示意图，上北下南：{drivers} 名司机，{waiting} 个等车上车点。用左右方向键逐个查看司机。',
  planEmpty: '尚无位置。',
  planNote: '直线只表示谁去哪里，图中没有道路。',
  planRoads: '直线只表示谁去哪里。道路：{credit}',
  north: '北',
  beyond: '另有 {n} 辆在图外',
  legendFree: '空闲',
  legendAsked: '派单中',
  legendComing: '接驾中',
  legendRiding: '行程中',
  legendSilent: '失联',
  legendWaiting: '等车',
  cardSeats: '{n} 座',
  cardHeard: '{time}前上报',
  cardSilent: '近期没有上报',
  cardDoubtful: '位置存疑：{signs}',
  cardPoor: '位置非常可疑：{signs}',
  cardFree: '空闲',
  close: '关闭',

  seconds: '{n} 秒',
  minutes: '{n} 分钟',
  hours: '{h} 小时 {m} 分',
  ms: '{n} 毫秒',
  km: '{n} 公里',
  metres: '{n} 米',

  'state.requested': '找车中',
  'state.parked': '等车',
  'state.offered': '派单中',
  'state.assigned': '接驾中',
  'state.arrived': '已到上车点',
  'state.riding': '行程中',
  'state.completed': '已完成',
  'state.cancelled': '已取消',
  'state.unserved': '无车',

  'role.passenger': '乘客',
  'role.agent': '村代办',
  'role.operator': '调度台',
  'role.driver': '司机',
  'role.system': '系统',

  'why.changed_mind': '改变主意',
  'why.found_other': '另外找到车',
  'why.too_long': '等得太久',
  'why.mistake': '误下单',
  'why.no_show': '未见乘客',
  'why.breakdown': '车辆故障',
  'why.road': '道路不通',
  'why.overdue': '超时',
  'why.no_driver': '没有司机',
  'why.other': '其他原因',
  cancelledBy: '{who}：{why}',

  'class.car': '轿车',
  'class.minivan': '面包车',
  'class.minibus': '小客车',
  'class.bus': '客车',
  'class.pickup': '皮卡',
};

/** The languages, by their tag. */
export const LANGUAGES = { en, 'zh-CN': zh };

/** Words speaks one language at a time. */
export class Words {
  #words = en;
  #tag = 'en';

  constructor(tag = 'en') {
    this.use(tag);
  }

  /** The tag of the language being spoken. */
  get tag() {
    return this.#tag;
  }

  /** The tag of the other one. */
  get other() {
    return this.#tag === 'en' ? 'zh-CN' : 'en';
  }

  use(tag) {
    this.#tag = Object.hasOwn(LANGUAGES, tag) ? tag : 'en';
    this.#words = LANGUAGES[this.#tag];
  }

  /** The sentence for key, its {blanks} filled. */
  say(key, blanks = {}) {
    const sentence = Object.hasOwn(this.#words, key) ? this.#words[key] : key;
    return sentence.replace(/\{(\w+)\}/g, (all, name) => (Object.hasOwn(blanks, name) ? String(blanks[name]) : all));
  }

  /** The sentence for a refusal: ours for a code that we know, else the server's. */
  refusal({ code, say }) {
    return Object.hasOwn(REFUSALS[this.#tag], code) ? REFUSALS[this.#tag][code] : say;
  }

  /** Why a connection was closed; '' for a code without words of ours, such as 1006. */
  close(code) {
    return Object.hasOwn(CLOSES[this.#tag], code) ? CLOSES[this.#tag][code] : '';
  }

  /** The word for one of a kind ('state', 'role', 'sign', …); a value without a word of ours stands as it is. */
  name(kind, value) {
    const key = `${kind}.${value}`;
    return Object.hasOwn(this.#words, key) ? this.#words[key] : value.replaceAll('_', ' ');
  }

  /** A number, its digits in groups. */
  count(n) {
    return new Intl.NumberFormat(this.#tag).format(n);
  }

  /** A span of time, as coarse as people speak of it. */
  span(ms) {
    const s = Math.max(0, Math.floor(ms / 1000));
    if (s < 60) return this.say('seconds', { n: s });
    const m = Math.floor(s / 60);
    if (m < 60) return this.say('minutes', { n: m });
    return this.say('hours', { h: Math.floor(m / 60), m: String(m % 60).padStart(2, '0') });
  }

  /** A short span, such as a latency. */
  brief(ms) {
    if (ms >= 10_000) return this.span(ms);
    if (ms >= 1000) return this.say('seconds', { n: (ms / 1000).toFixed(1) });
    return this.say('ms', { n: ms >= 100 ? Math.round(ms) : ms.toFixed(1) });
  }

  /** The length of a road, which is not as round as a distance on the plan. */
  length(m) {
    return m >= 1000 ? this.say('km', { n: (m / 1000).toFixed(1) }) : this.say('metres', { n: m });
  }

  /** A distance on the plan. */
  distance(m) {
    return m >= 1000 ? this.say('km', { n: m / 1000 }) : this.say('metres', { n: m });
  }

  /** A time of day. */
  time(at, seconds = false) {
    const d = new Date(at);
    if (Number.isNaN(d.getTime())) return '';
    const parts = [d.getHours(), d.getMinutes(), ...(seconds ? [d.getSeconds()] : [])];
    return parts.map((n) => String(n).padStart(2, '0')).join(':');
  }

  /** A moment: a time of day, with the date unless it is the day of now. */
  moment(at, now) {
    const [d, today] = [new Date(at), new Date(now)];
    const date = [d.getMonth() + 1, d.getDate()].map((n) => String(n).padStart(2, '0')).join('-');
    return d.toDateString() === today.toDateString() ? this.time(at) : `${date} ${this.time(at)}`;
  }
}

/** The language that a browser asks for. */
export function preferred(languages) {
  return languages?.[0]?.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en';
}
