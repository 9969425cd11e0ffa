// Who is connected: to this process with all counters, and to the rooms of other nodes.
import { el, text, get, every, Table, check, field, count, bytes, seconds, kill, ask } from "./dom.js";

export function show(main, app, signal) {
	const filter = el("input", { type: "search" }), closed = el("input", { type: "checkbox" });
	const silent = el("p", { className: "bad", role: "status" });
	let next = () => {};
	const close = async row => {
		await kill(row.address || row.key, async (reason, ban) => {
			if (row.room) return app.c.ask("kill", { to: row.room, conn: row.key, reason, ban });
			const r = await fetch("close?" + new URLSearchParams({ id: row.id, reason, ban: ban || "" }), { method: "POST" });
			if (!r.ok) throw new Error((await r.text()).trim());
		}, app.say);
		next();
	};
	const n = (label, value, order) => ({ label, n: true, value, order: order ?? value });
	const table = new Table("Connections", [
		{ label: "Node", value: r => r.node ?? "" }, { label: "Id", value: r => r.id, order: r => r.server + r.id.padStart(12) }, { label: "Name", value: r => r.name ?? "" },
		{ label: "Address", value: r => r.address }, { label: "Wire", value: r => r.proto + (r.tls ? "+tls" : "") },
		n("Age", r => r.age_s === undefined ? "" : seconds(r.age_s), r => r.age_s ?? -1), n("Idle", r => r.idle_s === undefined ? "" : seconds(r.idle_s), r => r.idle_s ?? -1),
		n("In", r => r.messages_in === undefined ? "" : count(r.messages_in), r => r.messages_in ?? -1), n("Out", r => r.messages_out === undefined ? "" : count(r.messages_out), r => r.messages_out ?? -1),
		n("Bytes", r => r.bytes_in === undefined ? "" : bytes(r.bytes_in + r.bytes_out), r => (r.bytes_in ?? -1) + (r.bytes_out ?? 0)),
		n("Per second", r => r.messages_in_per_s === undefined ? "" : (r.messages_in_per_s + r.messages_out_per_s).toFixed(1), r => (r.messages_in_per_s ?? -1) + (r.messages_out_per_s ?? 0)),
		n("Pending", r => r.pending_bytes ? bytes(r.pending_bytes) : "", r => r.pending_bytes ?? -1),
		{ label: "Last, reason", className: "value line", value: r => r.closed ? r.reason ?? "closed" : r.stale ? "stale: its node is silent" : r.last ?? "" },
		{ name: "close", fill: (b, r) => { b.hidden = !!r.closed || !r.may; b.setAttribute("aria-label", "Close " + (r.address || r.key)); }, make: row => el("button", { className: "small", textContent: "Close…", onclick: () => close(row()) }) },
	], { sort: 1, empty: "nobody is connected" });
	const all = el("button", {
		type: "button", textContent: "Close all…", onclick: async () => {
			if (!await ask("Close all connections of this process?", "Close all", el("p", { textContent: "Twenty a second, so that they do not come back all at once." }))) return;
			const r = await fetch("close?all=1", { method: "POST" });
			app.say(r.ok ? `${(await r.json()).closing} connections are being closed` : (await r.text()).trim(), !r.ok);
		},
	});
	main.append(el("form", { className: "bar", onsubmit: e => e.preventDefault() }, field("Filter", filter),
		app.info.servers ? check("closed ones too", closed) : "", app.info.servers && app.info.close ? all : ""), silent, table.node);

	const refresh = async () => {
		const rows = [], here = new Set();
		if (app.info.servers) {
			const { connections } = await get(`connz?limit=2000&state=${closed.checked ? "any" : "open"}`);
			for (const c of connections) { rows.push({ key: c.id + " " + c.opened, may: app.info.close, ...c }); here.add(c.address); }
		}
		const quiet = new Set();
		for (const t of app.targets.filter(t => t.kind === "room")) {
			const r = await app.c.ask("who", { to: t.name }).catch(e => ({ members: [], silent: [e.message] }));
			for (const m of r.members) if (!here.has(m.peer)) rows.push({ key: m.node + "/" + m.id, id: m.id, node: m.node, name: m.name ? `${m.name} in ${t.name}` : "in " + t.name, address: m.peer ?? "", proto: m.wire ?? "", server: "~" + m.node, room: t.name, may: !m.stale && app.may("kill", t.name), stale: m.stale });
			for (const s of r.silent ?? []) quiet.add(s);
		}
		text(silent, quiet.size ? "silent nodes, whose connections are shown as they were: " + [...quiet].join(", ") : "");
		const words = filter.value.toLowerCase().split(/\s+/);
		table.update(rows.filter(r => { const s = [r.node, r.id, r.name, r.address, r.proto, r.last, r.reason].join(" ").toLowerCase(); return words.every(w => s.includes(w)); }));
	};
	next = () => refresh().catch(e => app.say(e.message, true));
	filter.oninput = next;
	closed.onchange = next;
	every(1000, refresh, signal);
}
