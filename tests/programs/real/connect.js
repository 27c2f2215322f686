// Ways to connect of node programs: connect.js WAY HOST [COUNT]. Prints what the server said.
'use strict';
const http = require('http');
const net = require('net');

const GREETING = 7777;
const [way, host, count = '1'] = process.argv.slice(2);

function greeting(options) {
	return new Promise((resolve, reject) => {
		let text = '';
		net.connect({ host, port: GREETING, ...options })
			.on('data', (data) => { text += data; })
			.on('error', reject)
			.on('end', () => resolve(text));
	});
}

function page(options) {
	return new Promise((resolve, reject) => {
		let text = '';
		http.get({ host, agent: false, ...options }, (response) => {
			response.on('data', (data) => { text += data; });
			response.on('end', () => resolve(text));
		}).on('error', reject);
	});
}

const ways = {
	// One address only, as always before node 20.
	greeting: () => greeting({ autoSelectFamily: false }),
	// The program's own race, which is the default since node 20.
	http: () => page({ autoSelectFamily: true }),
	fetch: () => fetch(`http://${host}/`).then((response) => response.text()),
};

Promise.all(Array.from({ length: Number(count) }, ways[way])).then((texts) => {
	const times = new Map();
	for (const text of texts)
		times.set(text, (times.get(text) || 0) + 1);
	for (const [text, n] of times)
		console.log(`${n} x ${text.trim()}`);
}, (error) => {
	console.log(`${error.cause || error}`);
	process.exitCode = 1;
});
