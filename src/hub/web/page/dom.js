// Elements from plain values. Text stays text: nothing here reads HTML.

const SVG = 'http://www.w3.org/2000/svg';

/** An element: `el('span.dim', {title: 'x'}, 'text', child)`. Functions of `attributes` are listeners; the rest may be left out. */
export function el(tag, ...rest) {
	const [name, ...classes] = tag.split('.');
	return fill(document.createElement(name), classes, rest);
}

export function svg(tag, ...rest) {
	const [name, ...classes] = tag.split('.');
	return fill(document.createElementNS(SVG, name), classes, rest);
}

export function icon(id, name = 'shape') {
	return svg('svg', {class: name, viewBox: '0 0 16 16', 'aria-hidden': true}, svg('use', {href: '#' + id}));
}

/** A line of a row: 60 wide, 100 high, stretched to its box. */
export function spark(...paths) {
	return svg('svg.spark', {viewBox: '0 0 60 100', preserveAspectRatio: 'none', 'aria-hidden': true}, ...paths);
}

/** Sets text only where it differs, since each change costs a layout. */
export function say(node, text) {
	if (node.textContent !== text) node.textContent = text;
}

export const $ = id => document.getElementById(id);

/** A canvas' context, the canvas fitted to its box; and the box's width and height in CSS pixels. */
export function canvas(node) {
	const ratio = devicePixelRatio || 1;
	const width = node.clientWidth, height = node.clientHeight;
	if (node.width !== Math.floor(width * ratio) || node.height !== Math.floor(height * ratio)) {
		node.width = Math.floor(width * ratio);
		node.height = Math.floor(height * ratio);
	}
	const g = node.getContext('2d');
	g.setTransform(ratio, 0, 0, ratio, 0, 0);
	g.clearRect(0, 0, width, height);
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

function fill(node, classes, [first, ...rest]) {
	const plain = first && Object.getPrototypeOf(first) === Object.prototype;
	if (classes.length) node.setAttribute('class', classes.join(' '));
	for (const [name, value] of Object.entries(plain ? first : {})) {
		if (name === 'text') node.textContent = value;
		else if (typeof value === 'function') node.addEventListener(name.slice(2), value);
		else if (value !== null && value !== undefined) node.setAttribute(name, value);
	}
	node.append(...(plain ? rest : [first, ...rest]).flat().filter(child => child !== null && child !== undefined && child !== false));
	return node;
}

/** A group of buttons of which one is chosen; `choices`: text by value. */
export function group(name, choices, choose) {
	return el('div.seg', {role: 'group', 'aria-label': name}, Object.entries(choices).map(([value, text]) => el('button', {'data-value': value, onclick: () => choose(value)}, typeof text === 'string' ? text : value)));
}

export function press(node, value) {
	for (const button of node.querySelectorAll('[data-value]')) button.setAttribute('aria-pressed', button.dataset.value === value);
}
