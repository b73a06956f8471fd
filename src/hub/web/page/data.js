// The hub: its stream of events, and questions to its API. Lost, it is tried again until it answers.

import {isRefused} from './login.js';
import {hub, takeChanges, takeSnapshot} from './model.js';

/** The hub sends a frame a second; silence of so long means that it is lost. */
const SILENCE_MS = 5000;
const RETRY_MS = [500, 1000, 2000, 4000];

let listener = null, stream = null, watch = 0, retry = 0, attempts = 0;

/** Listens. `on` has `snapshot()`, `changes({changed, moved, gone})`, `lost()`, and `refused()`. */
export function listen(on) {
	listener = on;
	connect();
}

export function tryNow() {
	if (hub.lost !== null || !hub.heard) connect();
}

/** JSON of the API; null where the hub has no such thing. Throws where it does not answer. */
export async function ask(path, signal) {
	const answer = await fetch('api/v1/' + path, {signal, headers: {Accept: 'application/json'}});
	if (answer.status === 404) return null;
	hub.limited = answer.status === 401;
	if (!answer.ok) throw new Error(`${path}: the hub answered ${answer.status}`);
	return answer.json();
}

/** Has the API do something. Gives why it did not. */
export async function post(path) {
	const {error} = await fetch('api/v1/' + path, {method: 'POST'}).then(answer => answer.json()).catch(() => ({error: 'The hub does not answer'}));
	return error;
}

export function history(name, series, from, to, points, signal) {
	const query = new URLSearchParams({series, from: from.toFixed(3), to: to.toFixed(3), points});
	return ask(`hosts/${encodeURIComponent(name)}/history?${query}`, signal);
}

function connect() {
	close();
	stream = new EventSource('api/v1/events');
	stream.addEventListener('snapshot', event => {
		attempts = 0;
		wait();
		takeSnapshot(JSON.parse(event.data));
		listener.snapshot();
	});
	stream.addEventListener('changes', event => {
		wait();
		// Changes without the snapshot that they change say nothing.
		if (hub.lost === null && hub.heard) listener.changes(takeChanges(JSON.parse(event.data)));
	});
	stream.addEventListener('error', ({target}) => {
		// Closed by itself: the hub answered, and with something else than events.
		const refused = target.readyState === EventSource.CLOSED;
		lose();
		if (refused) isRefused().then(is => is && listener.refused());
	});
	wait();
}

function wait() {
	clearTimeout(watch);
	watch = setTimeout(lose, SILENCE_MS);
}

function lose() {
	close();
	if (hub.lost === null) hub.lost = hub.heard ? hub.now : Date.now() / 1000;
	retry = setTimeout(connect, RETRY_MS[Math.min(attempts, RETRY_MS.length - 1)]);
	attempts++;
	listener.lost();
}

function close() {
	clearTimeout(watch);
	clearTimeout(retry);
	stream?.close();
	stream = null;
}
