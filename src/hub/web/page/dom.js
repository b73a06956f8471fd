// Elements from plain values. Text stays text: nothing here reads HTML.

const SVG = 'http://www.w3.org/2000/svg';

/** An element: `el('span.dim', {title: 'x'}, 'text', child)`. Functions of `attributes` are listeners; the rest may be left out. */
export const el = (tag, ...rest) => fill(name => document.createElement(name), tag, rest);

export const svg = (tag, ...rest) => fill(name => document.createElementNS(SVG, name), tag, rest);

export function icon(id, name = 'shape') {
	return svg('svg', {class: name, viewBox: '0 0 16 16', 'aria-hidden': true}, svg('use', {href: '#' + id}));
}

/** Sets text only where it differs, since each change costs a layout. */
export function say(node, text) {
	if (node.textContent !== text) node.textContent = text;
}

export const $ = id => document.getElementById(id);

/** A canvas' context, the canvas empty and fitted to its box; and the box's width and height in CSS pixels. */
export function canvas(node) {
	const {clientWidth: width, clientHeight: height} = node, g = node.getContext('2d');
	node.width = width * devicePixelRatio;
	node.height = height * devicePixelRatio;
	g.scale(devicePixelRatio, devicePixelRatio);
	return [g, width, height];
}

/** The tokens of tokens.css as a canvas wants them; read again when the theme changes. */
export const colour = {};

export function readColours() {
	const probe = document.body.appendChild(el('i'));
	for (const name of ['bg', 'ink', 'ink2', 'ink3', 'line', 'line2', 'data', 'data2', 'band', 'warn', 'warnF', 'critF', 'lostF']) {
		probe.style.color = `var(--${name})`;
		colour[name] = getComputedStyle(probe).color;
	}
	probe.remove();
	colour.font = '11px ' + getComputedStyle(document.body).fontFamily;
}

function fill(create, tag, [first, ...rest]) {
	const [name, ...classes] = tag.split('.'), node = create(name), plain = first && Object.getPrototypeOf(first) === Object.prototype, is = value => (value ?? false) !== false;
	if (classes.length) node.setAttribute('class', classes.join(' '));
	for (const [name, value] of Object.entries(plain ? first : {})) {
		if (typeof value === 'function') node.addEventListener(name.slice(2), value);
		else if (is(value)) node.setAttribute(name, value);
	}
	node.append(...(plain ? rest : [first, ...rest]).flat().filter(is));
	return node;
}

/** A part of a page: a title, a note, and what follows. */
export function sheet(title, note, ...rest) {
	return el('section.sheet', el('h2', title, note && el('span', note)), ...rest);
}

/** A group of buttons of which one is chosen; `choices`: text by value. */
export function group(name, choices, choose) {
	return el('div.seg', {role: 'group', 'aria-label': name}, Object.entries(choices).map(([value, text]) => el('button', {'data-value': value, onclick: () => choose(value)}, typeof text === 'string' ? text : value)));
}

export function press(node, value) {
	for (const button of node.querySelectorAll('[data-value]')) button.setAttribute('aria-pressed', button.dataset.value === value);
}
