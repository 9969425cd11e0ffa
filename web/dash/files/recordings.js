// What was kept: sessions, search, what happened when, export, and saying it again.
import { el, field, get, every, Table, count, bytes, moment, text, options, ask } from "./dom.js";
import { shown } from "./messages.js";

const most = 1000;

export function show(main, app, signal) {
	const choose = n => { session.value = n; search(); };
	const sessions = new Table("Sessions", [
		{ label: "Session", n: true, value: s => s.session }, { label: "Began", value: s => moment(s.began), order: s => s.began }, { label: "Ended", value: s => s.ended ? moment(s.ended) : "goes on" },
		{ label: "Entries", n: true, value: s => count(s.entries), order: s => s.entries }, { label: "Bytes", n: true, value: s => bytes(s.bytes), order: s => s.bytes }, { label: "By", value: s => s.source }, { label: "Of", value: s => s.url ?? "" },
		{ name: "show", make: row => el("button", { className: "small", textContent: "Show", onclick: () => choose(row().session) }), fill: (b, s) => b.setAttribute("aria-label", "Show session " + s.session) },
		{ name: "say again", make: row => el("button", { className: "small", textContent: "Replay…", onclick: () => replay(row()) }), fill: (b, s) => { b.setAttribute("aria-label", "Replay session " + s.session); b.hidden = !app.may("send"); } },
		...["jsonl", "csv", "pcapng", "npy"].map(f => ({ name: f, make: row => el("a", { className: "button small", textContent: "." + f, download: "" }), fill: (a, s) => { a.href = `export?session=${s.session}&to=${f}`; a.setAttribute("aria-label", `Session ${s.session} as ${f}`); } })),
	], { sort: 0, down: true, empty: "nothing was recorded yet" });
	const word = el("input", { type: "search" }), peer = el("input", { type: "search" }), session = el("input", { type: "number", min: 1, className: "short" });
	const from = el("input", { type: "datetime-local", step: 1 }), to = el("input", { type: "datetime-local", step: 1 });
	const state = el("p", { className: "note", role: "status" });
	const times = el("canvas", { className: "time", role: "img", "aria-label": "How much was said when" });
	const found = new Table("Entries", [
		{ label: "Session", n: true, value: e => e.session }, { label: "Time", value: e => moment(e.ts) + "." + e.ts.slice(20, 26).replace("Z", "").padEnd(6, "0"), order: e => e.ts }, { label: "Connection", n: true, value: e => e.conn },
		{ label: "Way", value: e => ({ c2s: ">", s2c: "<" }[e.dir] ?? "") }, { label: "Peer", value: e => e.peer ?? "" }, { label: "Kind", value: e => e.event ?? e.kind },
		{ label: "Value", className: "value", value: e => e.event ? e.error ?? "" : shown(e.b64 === undefined ? e : { bytes: Uint8Array.from(atob(e.b64), c => c.charCodeAt(0)) }) },
	], { empty: "nothing found" });
	times.hidden = found.node.hidden = true; // until something was looked for
	main.append(sessions.node, el("h2", { textContent: "Find" }), el("form", { className: "bar", onsubmit: e => { e.preventDefault(); search(); } }, field("Text in it", word), field("Peer", peer), field("Session", session), field("From", from), field("To", to),
		el("button", { className: "main", textContent: "Find" })), times, state, found.node);

	let shownRows = [];
	const search = async () => {
		const q = new URLSearchParams({ limit: most });
		for (const [k, v] of Object.entries({ text: word.value, peer: peer.value, session: session.value, from: from.value && new Date(from.value).toISOString(), to: to.value && new Date(to.value).toISOString() })) if (v) q.set(k, v);
		try {
			const began = performance.now(), r = await get("found?" + q);
			shownRows = r.entries.map((e, i) => ({ key: `${e.session} ${i} ${e.ts}`, ...e }));
			times.hidden = !shownRows.length;
			found.node.hidden = false;
			found.update(shownRows);
			text(state, `${count(shownRows.length)} entries in ${(performance.now() - began).toFixed(0)} ms` + (r.more ? `; there are more: choose a time or a text` : ""));
			timeline();
		} catch (e) { text(state, e.message); }
	};
	const timeline = () => {
		const w = times.width = times.clientWidth * devicePixelRatio, h = times.height = times.clientHeight * devicePixelRatio, g = times.getContext("2d");
		const at = shownRows.map(e => Date.parse(e.ts)), first = Math.min(...at), last = Math.max(...at), bars = new Array(100).fill(0);
		if (!at.length) return;
		for (const t of at) bars[Math.min(99, Math.floor((t - first) / Math.max(1, last - first) * 100))]++;
		const top = Math.max(...bars), style = getComputedStyle(document.body);
		g.fillStyle = style.getPropertyValue("--accent");
		bars.forEach((n, i) => g.fillRect(i * w / 100 + 1, h - n / top * (h - 4), w / 100 - 2, n / top * (h - 4)));
		times.setAttribute("aria-label", `How much was said when, from ${moment(first)} to ${moment(last)}`);
	};
	times.onclick = e => { // the part of the time that was meant
		const at = shownRows.map(e => Date.parse(e.ts)), first = Math.min(...at), last = Math.max(...at), r = times.getBoundingClientRect();
		if (!at.length) return;
		const part = (last - first) / 100, t = first + Math.floor((e.clientX - r.left) / r.width * 100) * part, local = t => new Date(t - new Date(t).getTimezoneOffset() * 60000).toISOString().slice(0, 19);
		from.value = local(t);
		to.value = local(t + Math.max(part, 1000));
		search();
	};
	const replay = async s => {
		const able = app.targets.filter(t => t.kind !== "server" && t.scopes.split(",").includes("send"));
		const where = el("select", { name: "to", required: true }), pace = el("select", { name: "pace" });
		options(where, able.map(t => t.name));
		options(pace, [["1", "as it was"], ["10", "ten times as fast"], ["0", "without waiting"]]);
		const data = await ask(`Say again what clients said in session ${s.session}?`, "Say it", el("p", { className: "bar" }, field("To", where), field("Pace", pace)));
		if (!data?.to) return;
		const { entries } = await get(`found?session=${s.session}&limit=10000`);
		const said = entries.filter(e => e.dir === "c2s" && !e.event), zero = said.length && Date.parse(said[0].ts), began = Date.now();
		let n = 0;
		try {
			for (const e of said) {
				const wait = data.pace === "0" ? 0 : (Date.parse(e.ts) - zero) / data.pace - (Date.now() - began);
				if (wait > 0) await new Promise(f => setTimeout(f, wait));
				if (signal.aborted) return;
				await app.c.send(data.to, { kind: e.kind, text: e.text, b64: e.b64, json: e.json, mode: e.mode });
				app.say(`session ${s.session}: ${++n} of ${said.length} said to ${data.to}`);
			}
		} catch (e) { app.say(e.message, true); }
	};
	every(2000, async () => sessions.update((await get("sessions")).sessions.map(s => ({ key: s.session, ...s }))), signal);
}
