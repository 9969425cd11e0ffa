// Ask, and say. What is used often is kept as a button.
import { el, field, options, remember, remembered, clock } from "./dom.js";
import { shown } from "./messages.js";

export function show(main, app, signal) {
	const targets = app.targets.filter(t => t.kind !== "server" && t.scopes.split(",").includes("send"));
	const to = el("select", { required: true, "data-want": "" }), kind = el("select"), line = el("input", { className: "wide", autocomplete: "off", spellcheck: false });
	options(to, targets.map(t => t.name));
	options(kind, ["text", "int", "float", ["bytes", "bytes, in hexadecimal"], ["json", "object, as JSON"]]);
	const call = el("button", { className: "main", textContent: "Ask" }), send = el("button", { type: "button", textContent: "Send" }), keep = el("button", { type: "button", textContent: "Keep as a button" });
	const talk = el("ul", { className: "talk" }), saved = el("ul", { className: "bar", "aria-label": "Kept" });
	saved.style.listStyle = "none";
	saved.style.padding = 0;
	const out = el("div", { className: "scroll tall value", tabIndex: 0, role: "log", "aria-label": "What was said" }, talk);
	main.append(el("form", { className: "bar", onsubmit: e => { e.preventDefault(); say(isRoom() ? "send" : "call"); } }, field("Target", to), field("Kind", kind), field("Message (arrow up: what was said before)", line), call, send, keep), saved, out);
	const isRoom = () => targets.find(t => t.name === to.value)?.kind === "room";
	const changed = () => { call.hidden = isRoom(); send.className = isRoom() ? "main" : ""; };
	to.onchange = changed;
	changed();

	const history = remembered("history", []);
	let back = history.length;
	const print = (t, className = "") => {
		talk.append(el("li", { textContent: t, className }));
		while (talk.children.length > 1000) talk.firstChild.remove();
		out.scrollTop = out.scrollHeight;
	};
	const value = () => {
		const t = line.value;
		switch (kind.value) {
			case "bytes": {
				const h = t.replace(/\s/g, "");
				if (!/^([0-9a-f]{2})*$/i.test(h)) throw new Error("bytes are pairs of hexadecimal digits");
				return Uint8Array.from(h.match(/../g) ?? [], x => parseInt(x, 16));
			}
			case "json": return { kind: "object", json: JSON.parse(t) };
			case "text": return t;
		}
		return { kind: kind.value, text: t.trim() };
	};
	const say = async op => {
		if (!to.value) return;
		const name = to.value, said = line.value;
		try {
			const v = value();
			if (said && history.at(-1) !== said) { history.push(said); remember("history", history.splice(-200)); history.splice(0, history.length, ...remembered("history", [])); }
			back = history.length;
			print(`${clock(Date.now())} ${name} > ${said}`, "mine");
			line.select();
			const began = performance.now();
			if (op === "send") await app.c.send(name, v);
			else print(`${clock(Date.now())} ${name} < ${shown(await app.c.call(name, v))}   (${(performance.now() - began).toFixed(1)} ms)`);
		} catch (e) { print(`${clock(Date.now())} ${name}: ${e.message}`, "bad"); }
	};
	send.onclick = () => say("send");
	line.onkeydown = e => {
		const step = { ArrowUp: -1, ArrowDown: 1 }[e.key];
		if (!step) return;
		e.preventDefault();
		back = Math.max(0, Math.min(history.length, back + step));
		line.value = history[back] ?? "";
	};

	let kept = remembered("kept", []);
	const buttons = () => {
		remember("kept", kept);
		saved.replaceChildren(...kept.map((k, i) => el("li", {},
			el("button", { textContent: `${k.to}: ${k.line}`, onclick: () => { to.value = k.to; kind.value = k.kind; line.value = k.line; changed(); say(k.op); } }),
			el("button", { textContent: "×", "aria-label": `Forget ${k.to}: ${k.line}`, onclick: () => { kept = kept.filter((_, j) => j !== i); buttons(); line.focus(); } }))));
	};
	keep.onclick = () => { if (line.value && to.value) { kept.push({ to: to.value, kind: kind.value, line: line.value, op: isRoom() ? "send" : "call" }); kept = kept.slice(-50); buttons(); } };
	buttons();

	// What others say in a room is heard too.
	const rooms = targets.filter(t => t.kind === "room").map(t => {
		const it = app.c.room(t.name);
		(async () => { try { for await (const m of it) print(m.missed !== undefined ? `${t.name}: ${m.missed} messages are missing` : `${clock(m.ts)} ${t.name} ${m.from ?? ""} < ${shown(m)}`); } catch (e) { print(e.message, "bad"); } })();
		return it;
	});
	signal.addEventListener("abort", () => rooms.forEach(r => r.return()));
}
