// A login. The secret of a one-time link stands behind #, so that no server, proxy or log sees it; the hub makes a cookie of it.

import {hub} from './model.js';

export const HOW = 'On the hub\u2019s machine, run psistats-hub token link NAME, and open the link that it prints in this browser.';

/** Uses up the link by which the page was opened, if that was one. */
export async function logIn() {
	const [, secret] = /^#\/login\/(\w+)$/.exec(location.hash) ?? [];
	if (!secret) return;
	history.replaceState(null, '', '#/');
	const answer = await fetch('api/v1/login', {method: 'POST', headers: {Authorization: 'Bearer ' + secret}}).catch(() => null);
	if (answer?.status === 401) hub.login = 'This link is used up, or older than 10 minutes. ' + HOW;
}

/** After the hub has refused: whether that is for want of a login. */
export async function isRefused() {
	const answer = await fetch('api/v1/hosts', {method: 'HEAD'}).catch(() => null);
	if (answer?.status === 401) hub.login ??= HOW;
	return hub.login !== null;
}
