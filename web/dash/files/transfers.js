// Files that are under way.
import { el, get, every, Table, bytes, seconds } from "./dom.js";

export function show(main, app, signal) {
	const table = new Table("Transfers", [
		{ label: "File", value: t => t.path }, { label: "Way", value: t => t.upload ? "to here" : "from here" }, { label: "Peer", value: t => t.peer },
		{ label: "Size", n: true, value: t => bytes(t.size), order: t => t.size }, { label: "Done", n: true, value: t => t.size > 0 ? (t.done / t.size * 100).toFixed(0) + " %" : "", order: t => t.done / t.size },
		{ name: "progress", make: () => el("progress", { max: 1 }), fill: (p, t) => { p.value = t.size > 0 ? t.done / t.size : 0; p.setAttribute("aria-label", t.path); } },
		{ label: "Per second", n: true, value: t => t.ended ? "" : bytes(Math.round(t.rate)), order: t => t.rate }, { label: "Time", n: true, value: t => seconds(t.took_s), order: t => t.took_s },
		{ label: "State", value: t => t.ended ? t.error || "done" : "under way" },
		{ name: "cancel", make: row => el("button", { className: "small", textContent: "Cancel", onclick: () => cancel(row()) }), fill: (b, t) => { b.hidden = t.ended || !app.info.close; b.setAttribute("aria-label", "Cancel " + t.path); } },
	], { sort: 7, empty: "no file is under way" });
	const cancel = async t => {
		const r = await fetch("cancel?id=" + encodeURIComponent(t.id), { method: "POST" });
		app.say(r.ok ? t.path + " is cancelled" : (await r.text()).trim(), !r.ok);
	};
	main.append(table.node);
	every(1000, async () => table.update((await get("transfers")).transfers.map(t => ({ key: t.id, ...t }))), signal);
}
