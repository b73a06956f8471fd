// A login. The secret of a one-time link stands behind #, so that no server, proxy or log sees it; the hub makes a cookie of it.

import {forget, hub} from './model.js';
import {post} from './data.js';
import {$, el} from './dom.js';

export const COMMAND = 'psistats-hub token link NAME';

/** Uses up the link by which the page was opened, if that was one. */
export async function logIn() {
	const [, secret] = /^#\/login\/(\w+)$/.exec(location.hash) ?? [];
	if (!secret) return;
	history.replaceState(null, '', '#/');
	const answer = await fetch('api/v1/login', {method: 'POST', headers: {Authorization: 'Bearer ' + secret}}).catch(() => null);
	if (answer?.status === 401) forget('This link is used up, or older than 10 minutes.');
	if (answer?.ok) remember(true);
}

/** No script sees the cookie: the page remembers that a link has let it in, and offers to log out. */
function remember(isIn) {
	try { isIn ? localStorage.setItem('login', 1) : localStorage.removeItem('login'); } catch { /* no storage: until the page is left */ }
	$('logout').hidden = !isIn;
}

export function offerLogOut() {
	try { if (localStorage.getItem('login')) remember(true); } catch { /* no storage */ }
	$('logout').addEventListener('click', async () => {
		const error = await post('logout');
		if (error) return alert('Not logged out: ' + error);
		remember(false);
		location.reload();
	});
}

/** After the hub has refused: whether that is for want of a login. */
export async function isRefused() {
	const answer = await fetch('api/v1/hosts', {method: 'HEAD'}).catch(() => null);
	if (answer?.status === 401) {
		remember(false);
		forget(hub.login ?? 'This hub shows its boards after a login.');
	}
	return hub.login !== null;
}

export function start(main) {
	main.replaceChildren(el('div.add', el('h1', 'Log in'), el('p.lead', hub.login),
		el('section', el('h2', 'On the hub’s machine, run'), el('div.code', el('pre', {tabindex: 0, 'aria-label': 'Command'}, COMMAND)), el('p', 'and open the link that it prints in this browser.'))));
}
