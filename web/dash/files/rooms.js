// Who is in which room, on all nodes.
import { el, text, every, Table, kill, presence } from "./dom.js";

export function show(main, app, signal) {
	const rooms = app.targets.filter(t => t.kind === "room").map(t => {
		const table = new Table("Members of " + t.name, [
			{ label: "Node", value: m => m.node }, { label: "Id", value: m => m.id }, { label: "Peer", value: m => m.peer ?? "" }, { label: "Name", value: m => m.name ?? "" }, { label: "Wire", value: m => m.wire ?? "" }, { label: "State", value: presence },
			{ name: "close", make: row => el("button", { className: "small", textContent: "Close…", onclick: () => kill(row().key, (reason, ban) => app.c.ask("kill", { to: t.name, conn: row().key, reason, ban }), app.say) }), fill: (b, m) => { b.hidden = m.stale || !app.may("kill", t.name); b.setAttribute("aria-label", "Close " + m.key); } },
		], { sort: 0, empty: "nobody is here" });
		const silent = el("p", { className: "bad", role: "status" });
		main.append(el("h2", { textContent: t.name }), silent, table.node, el("p", {}, el("a", { href: "#/messages?to=" + encodeURIComponent(t.name), textContent: "What is said in " + t.name })));
		return { t, table, silent };
	});
	if (!rooms.length) main.append(el("p", { className: "note", textContent: "There is no room here: parley web --room NAME, or serve --relay --room NAME, has one." }));
	every(1000, async () => {
		for (const { t, table, silent } of rooms) {
			const r = await app.c.ask("who", { to: t.name });
			table.update(r.members.map(m => ({ key: m.node + "/" + m.id, ...m })));
			text(silent, r.silent?.length ? "silent nodes, shown as they were: " + r.silent.join(", ") : "");
		}
	}, signal);
}
