// The page: which view is shown, what it hears of the hub, and one clock for all.

import { $, el, readColours } from './dom.js';
import {hub} from './model.js';
import {listen} from './data.js';
import * as login from './login.js';
import {choice} from './choice.js';
import {announce, drawHead, drawSecond, startHead} from './head.js';
import * as keys from './keys.js';
import * as wall from './wall.js';
import * as board from './board.js';
import * as figure from './figure.js';
import * as alerts from './alerts.js';
import * as add from './add.js';

/** A view is a module: start(main, argument), and where it has use for them stop(), snapshot(), changes(what),
    second(), lost(), resize(), theme(), and key(event), which tells whether it took the key. */
const VIEWS = {'': wall, board, figure, alerts, keys, add};

/** Before the first snapshot nothing is known, and nothing is claimed. */
const waiting = {start: () => hub.login ? login.start(main) : main.replaceChildren(el('h1.hidden', 'psistats'), el('p.nothing', 'Asking the hub for its boards.')), snapshot: show};

const main = $('main');
let view = null, route = '';

function parse() {
	const [, name = '', argument = ''] = /^#\/([^/]*)\/?(.*)$/.exec(location.hash) ?? [];
	try {
		return [Object.hasOwn(VIEWS, name) ? name : '', decodeURIComponent(argument)];
	} catch {
		return ['', ''];
	}
}

function show() {
	const [name, argument] = parse();
	view?.stop?.();
	route = name;
	view = hub.heard ? VIEWS[name] : waiting;
	scrollTo(0, 0);
	view.start(main, argument);
	for (const link of document.querySelectorAll('nav a')) {
		if (link.dataset.view === (name === 'board' ? '' : name)) link.setAttribute('aria-current', 'page');
		else link.removeAttribute('aria-current');
	}
	drawHead();
}

function chooseState(state) {
	choice.state = choice.state === state ? null : state;
	if (route) location.hash = '#/';
	else view.snapshot();
	drawHead();
}

function switchTheme() {
	const {dataset} = document.documentElement, dark = dataset.theme ? dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
	dataset.theme = dark ? 'light' : 'dark';
	try { localStorage.setItem('theme', dataset.theme); } catch { /* no storage: until the page is left */ }
	retheme();
}

function retheme() {
	readColours();
	view.theme?.();
}

await login.logIn();
readColours();
startHead(chooseState);
login.offerLogOut();
keys.startKeys({chooseState, switchTheme, view: () => view, route: () => route});
show();

listen({
	snapshot() { view.snapshot?.(); drawHead(); drawSecond(); },
	changes(what) {
		view.changes?.(what);
		if (what.moved.length || what.gone.length) { drawHead(); announce(what.moved); }
	},
	lost() { view.lost?.(); drawHead(); drawSecond(); },
	refused() { show(); drawSecond(); },
});
setInterval(() => {
	drawSecond();
	if (hub.heard && hub.lost === null && !document.hidden) view.second?.();
}, 1000);

addEventListener('hashchange', () => {
	if (location.hash.startsWith('#/login/')) return location.reload();
	show();
	main.focus({preventScroll: true});
});
addEventListener('resize', () => { drawHead(); view.resize?.(); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', retheme);
$('theme').addEventListener('click', switchTheme);
$('skip').addEventListener('click', event => { event.preventDefault(); main.focus(); });
