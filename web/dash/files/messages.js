// What is said, as it is said. The filter works at the server.
import { el, field, check, scroller, clock, options, count } from "./dom.js";

const most = 500;
const hex = b => Array.from(b, x => x.toString(16).padStart(2, "0")).join(" ");
export const shown = (m, asHex) => {
	const raw = m.bytes ?? (asHex && m.text !== undefined ? new TextEncoder().encode(m.text) : undefined);
	if (raw && (asHex || m.bytes)) return hex(raw.subarray(0, 256)) + (raw.length > 256 ? ` … ${count(raw.length)} bytes` : "");
	const t = m.text ?? JSON.stringify(m.json) ?? "";
	return t.length > 2000 ? t.slice(0, 2000) + ` … ${count(t.length)} characters` : t;
};

export function show(main, app, signal, args) {
	const to = el("select", { required: true }), text = el("input", { type: "search" }), pattern = el("input", { type: "search" });
	const kind = el("select"), dir = el("select"), peer = el("input", { type: "search", className: "short" }), asHex = el("input", { type: "checkbox" });
	options(to, app.targets.map(t => t.name));
	if (args.get("to")) to.value = args.get("to");
	options(kind, [["", "all"], "text", "bytes", "int", "float", "object"]);
	options(dir, [["", "both"], ["c2s", "> to the server"], ["s2c", "< to the client"]]);
	const pause = el("button", { type: "button", textContent: "Pause", "aria-pressed": "false" }), clear = el("button", { type: "button", textContent: "Clear" });
	const state = el("p", { className: "note", role: "status" });
	const body = el("tbody");
	const box = scroller("Messages", el("table", {}, el("thead", {}, el("tr", {}, ...["Time", "", "From", "Kind", "Value"].map(h => el("th", { scope: "col" }, h || el("span", { className: "unseen", textContent: "Way" }))))), body), "tall");
	main.append(el("form", { className: "bar", onsubmit: e => { e.preventDefault(); listen(); } }, field("Target", to), field("Text in it", text), field("Pattern (RE2)", pattern), field("Kind", kind), field("Way", dir),
		field("Peer or node", peer), el("button", { className: "main", textContent: "Apply" })), el("p", { className: "bar" }, pause, clear, check("hexadecimal", asHex)), state, box);

	let stop = () => {}, paused = false, resume = () => {}, seen = 0, wait = [];
	const draw = () => {
		const chosen = getSelection(), selecting = !chosen.isCollapsed && chosen.containsNode(body, true);
		const end = box.scrollTop + box.clientHeight > box.scrollHeight - 40;
		for (const m of wait.splice(0)) {
			const tr = el("tr", { className: m.missed !== undefined ? "missed" : "" });
			if (m.missed !== undefined) tr.append(el("td", { textContent: m.ts ? clock(m.ts) : "" }), el("td", { colSpan: 4, textContent: m.missed ? `${count(m.missed)} messages are missing here` : "the connection was made again: what was said meanwhile is not here" }));
			else tr.append(...[clock(m.ts), { c2s: ">", s2c: "<" }[m.dir] ?? "", [m.from, m.peer].filter(Boolean).join(" "), m.kind ?? "error"].map(t => el("td", { textContent: t })), el("td", { className: "value", textContent: m.error ?? shown(m, asHex.checked) }));
			body.append(tr);
		}
		while (body.children.length > most && !selecting) body.firstChild.remove();
		if (end && !selecting) box.scrollTop = box.scrollHeight;
		state.textContent = `${count(seen)} messages` + (paused ? ", paused" : "");
	};
	const listen = async () => {
		stop();
		if (!to.value) { state.textContent = "there is nothing to listen to"; return; }
		const filter = Object.fromEntries(Object.entries({ text: text.value, pattern: pattern.value, kind: kind.value, dir: dir.value, peer: peer.value }).filter(([, v]) => v));
		const messages = app.c.room(to.value, { filter })[Symbol.asyncIterator]();
		stop = () => messages.return();
		let mine = true;
		const before = stop;
		stop = () => { mine = false; before(); };
		try {
			for (;;) {
				const { value: m, done } = await messages.next();
				if (done || !mine) return;
				seen++;
				wait.push(m);
				if (wait.length === 1) requestAnimationFrame(draw);
				if (wait.length > 200) await new Promise(requestAnimationFrame); // as fast as the page draws
				while (paused && mine) await new Promise(f => { resume = f; });
			}
		} catch (e) { if (mine) app.say(e.message, true); }
	};
	pause.onclick = () => {
		paused = !paused;
		pause.setAttribute("aria-pressed", paused);
		pause.textContent = paused ? "Go on" : "Pause";
		state.textContent = `${count(seen)} messages` + (paused ? ", paused" : "");
		resume();
	};
	clear.onclick = () => { body.replaceChildren(); seen = 0; draw(); };
	to.onchange = listen;
	signal.addEventListener("abort", () => { stop(); resume(); });
	draw();
	listen();
}
