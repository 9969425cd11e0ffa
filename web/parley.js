// parley.js: talk to a parley door. docs/protocol/web.md has the frames.
//
//   const c = connect();
//   for await (const m of c.room("cam1")) show(m);   // m.text, m.bytes, m.missed …
//   const answer = await c.call("psu1", "*IDN?");
//   await c.send("cam1", "hello");

const value = v => typeof v === "string" ? { kind: "text", text: v }
	: v instanceof Uint8Array ? { kind: "bytes", b64: btoa(Array.from(v, b => String.fromCharCode(b)).join("")) }
	: typeof v === "bigint" || Number.isInteger(v) ? { kind: "int", text: String(v) }
	: typeof v === "number" ? { kind: "float", text: Number.isNaN(v) ? "nan" : v === Infinity ? "inf" : v === -Infinity ? "-inf" : String(v) }
	: v?.kind ? v : { kind: "object", json: v };

// Whole numbers that a number of JavaScript can't have are BigInts, inside of objects too.
const parse = t => JSON.parse(t, (k, v, c) => Number.isInteger(v) && !Number.isSafeInteger(v) && /^-?\d+$/.test(c?.source) ? BigInt(c.source) : v);
const text = v => JSON.stringify(v, (k, v) => typeof v === "bigint" ? JSON.rawJSON(String(v)) : v);

const received = m => {
	if (m.b64 !== undefined) m.bytes = Uint8Array.from(atob(m.b64), c => c.charCodeAt(0));
	if (m.kind === "int") m.value = Number.isSafeInteger(Number(m.text)) ? Number(m.text) : BigInt(m.text);
	else if (m.kind === "float") m.value = { nan: NaN, inf: Infinity, "-inf": -Infinity }[m.text] ?? Number(m.text);
	else m.value ??= m.bytes ?? m.json ?? m.text;
	return m;
};

const binary = b => {
	const v = new DataView(b), n = v.getUint16(2, true);
	const m = JSON.parse(new TextDecoder().decode(new Uint8Array(b, 24, n)));
	m.id = v.getUint32(4, true);
	m.seq = Number(v.getBigUint64(8, true));
	m.ts = new Date(Number(v.getBigInt64(16, true) / 1000000n)).toISOString();
	m.bytes = new Uint8Array(b, (24 + n + 7) & ~7);
	m.value = m.bytes;
	return m;
};

export function connect(base = location.href, options = {}) {
	let ws, open, tries = 0, last = 0, closed = false, ready, fail;
	const subs = new Map(), calls = new Map(), listeners = new Set();
	const again = () => { open = new Promise((ok, no) => { ready = ok; fail = no; }); open.catch(() => {}); };
	const tell = state => listeners.forEach(f => f(state));
	again();

	// begin says a subscription on this socket, once.
	const begin = s => {
		if (s.on !== ws) {
			s.on = ws;
			ws.send(JSON.stringify(s.frame));
		}
	};

	const take = m => {
		if (m.op === "hello") {
			tries = 0;
			c.user = m.user;
			c.targets = m.targets;
			for (const s of subs.values()) begin(s);
			ready();
			tell("open");
		} else if (m.ref !== undefined) {
			const call = calls.get(m.ref);
			calls.delete(m.ref);
			if (call) m.error === undefined ? call.ok(received(m)) : call.no(new Error(m.error));
		} else if (m.id !== undefined) subs.get(m.id)?.take(m);
		else if (m.error) tell(m.error);
	};

	const dial = async () => {
		tell("connecting");
		try {
			const r = await fetch(new URL("ticket", base), { method: "POST", headers: options.token ? { Authorization: "Bearer " + options.token } : {} });
			if (!r.ok) throw new Error((await r.text()).trim());
			const { ticket } = await r.json();
			const url = new URL("ws", base);
			url.protocol = url.protocol.replace("http", "ws");
			ws = new WebSocket(url, "parley.v1");
			ws.binaryType = "arraybuffer";
			ws.onopen = () => ws.send(JSON.stringify({ op: "hello", ticket }));
			ws.onmessage = e => take(typeof e.data === "string" ? parse(e.data) : binary(e.data));
			ws.onclose = e => lost(e.reason || "the connection is closed");
		} catch (e) { lost(e.message); }
	};

	const lost = why => {
		if (closed) return;
		for (const call of calls.values()) call.no(new Error(why + "; it may have arrived"));
		calls.clear();
		fail(new Error(why));
		again();
		tell(why);
		setTimeout(dial, Math.random() * Math.min(30000, 500 * 2 ** tries++));
	};

	const ask = async (op, fields) => {
		await open;
		const ref = ++last;
		return new Promise((ok, no) => {
			calls.set(ref, { ok, no });
			ws.send(text({ op, ref, ...fields }));
		});
	};
	const say = f => ws?.readyState === 1 && ws.send(JSON.stringify(f));

	const c = {
		user: "", targets: [], ask,
		on: f => (listeners.add(f), () => listeners.delete(f)),
		send: (to, v) => ask("send", { to, ...value(v) }),
		call: (to, v, timeout) => ask("call", { to, ...value(v), timeout }),
		// room tells what is said in a room or to and by a device, until the loop ends or
		// return is called. A gap is a message that has only missed: how many, 0 if nobody
		// knows. options are those of sub: policy, filter, image, credit, binary.
		room(to, options) {
			const id = ++last, waiting = [];
			let wake = () => {}, seq = 0, error, over = false, had;
			const s = {
				frame: { op: "sub", id, to, ...options },
				take(m) {
					if (m.error !== undefined && !m.ts) error = new Error(m.error);
					else {
						if (m.seq <= seq) waiting.push({ missed: 0 }); // a new socket: what was said meanwhile is not here
						seq = m.seq;
						waiting.push(m.missed || m.error ? m : received(m));
					}
					wake();
				},
			};
			subs.set(id, s);
			open.then(() => subs.has(id) && begin(s), () => {});
			return {
				id,
				[Symbol.asyncIterator]() { return this; },
				async next() {
					if (had === ws) say({ op: "ack", id, n: 1 }); // on the socket that it came on
					had = undefined;
					while (!waiting.length && !error && !over && !closed) await new Promise(f => { wake = f; });
					if (!over && waiting.length) {
						const m = waiting.shift();
						if (m.seq > 0) had = s.on;
						return { value: m, done: false };
					}
					this.return();
					if (error && !over) throw error;
					return { value: undefined, done: true };
				},
				async return() {
					if (subs.delete(id)) say({ op: "unsub", id });
					over ||= !error;
					wake();
					return { value: undefined, done: true };
				},
			};
		},
		close() {
			closed = true;
			ws?.close(1000);
			fail(new Error("closed"));
			for (const s of subs.values()) s.take({ error: "closed" });
		},
	};
	dial();
	return c;
}
