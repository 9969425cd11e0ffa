// How things are: what needs somebody, rates, servers, targets and nodes.
import { el, text, get, every, Table, count, bytes, seconds, moment, presence } from "./dom.js";

export function show(main, app, signal) {
	const figures = {}, tiles = el("dl", { className: "tiles" });
	for (const label of ["Connections", "Messages in", "Messages out", "Bytes in", "Bytes out", "Memory", "Up"]) {
		figures[label] = el("dd", { textContent: "–" });
		tiles.append(el("div", {}, el("dt", { textContent: label }), figures[label]));
	}
	const alarms = el("ul", { className: "alarms", "aria-live": "polite" });
	const rate = k => s => s.rate?.[k] ?? 0, per = k => s => count(Math.round(rate(k)(s))) + "/s";
	const servers = new Table("Servers", [
		{ label: "Server", value: s => s.url }, { label: "Open", n: true, value: s => s.open }, { label: "Accepted", n: true, value: s => s.accepted },
		{ label: "Messages in", n: true, value: per("messages_in"), order: rate("messages_in") }, { label: "Messages out", n: true, value: per("messages_out"), order: rate("messages_out") },
		{ label: "Waiting", n: true, value: s => bytes(s.pending_bytes), order: s => s.pending_bytes }, { label: "Lost", n: true, value: s => s.lost_messages }, { label: "Missed", n: true, value: s => s.slow },
	], { empty: "no server in this process" });
	const targets = new Table("Targets", [{ label: "Name", value: t => t.name }, { label: "Kind", value: t => t.kind }, { label: "State", value: t => t.state }, { label: "You may", value: t => t.scopes }]);
	const nodes = new Table("Nodes", [
		{ label: "Node", value: n => n.node }, { label: "Host", value: n => n.host }, { label: "Version", value: n => n.version ?? "" },
		{ label: "Rooms", value: n => Object.entries(n.rooms ?? {}).map(([r, i]) => `${r} (${i.members})`).join(", ") }, { label: "Since", value: n => moment(n.started) }, { label: "State", value: presence },
	]);
	main.append(el("h2", { textContent: "What needs you" }), alarms, el("h2", { textContent: "Now" }), tiles);
	if (app.info.servers) main.append(el("h2", { textContent: "Servers" }), servers.node);
	if (app.c) main.append(el("h2", { textContent: "Targets" }), targets.node, el("h2", { textContent: "Nodes" }), nodes.node);

	let before;
	every(1000, async () => {
		const wrong = [];
		let stats;
		if (app.info.servers || app.may("admin", "*")) try { stats = await get("statz"); } catch (e) { if (app.info.servers) wrong.push("no answer: " + e.message); }
		if (stats) {
			const dt = before ? stats.uptime_s - before.uptime_s : 0, sum = {};
			for (const s of stats.servers ?? []) {
				s.key = s.url;
				const old = before?.servers?.find(o => o.url === s.url);
				s.rate = {};
				for (const k of ["messages_in", "messages_out", "bytes_in", "bytes_out"]) {
					s.rate[k] = old && dt > 0 ? (s[k] - old[k]) / dt : 0;
					sum[k] = (sum[k] ?? 0) + s.rate[k];
				}
				sum.open = (sum.open ?? 0) + s.open;
				if (old && s.lost_messages > old.lost_messages) wrong.push(`${s.url}: ${s.lost_messages - old.lost_messages} messages lost just now`);
				if (old && s.slow > old.slow) wrong.push(`${s.url}: slow peers have missed ${s.slow - old.slow} messages just now`);
				if (old && s.refused > old.refused) wrong.push(`${s.url}: ${s.refused - old.refused} connections refused just now`);
			}
			before = stats;
			wrong.push(...(stats.problems ?? []));
			text(figures["Connections"], count(sum.open ?? 0));
			for (const [label, k, f] of [["Messages in", "messages_in", count], ["Messages out", "messages_out", count], ["Bytes in", "bytes_in", bytes], ["Bytes out", "bytes_out", bytes]]) text(figures[label], f(Math.round(sum[k] ?? 0)) + "/s");
			text(figures["Memory"], bytes(stats.heap_bytes));
			text(figures["Up"], seconds(stats.uptime_s));
			if (app.info.servers) servers.update(stats.servers ?? []);
		}
		if (app.c) {
			app.targets = (await get("targets")).targets;
			targets.update(app.targets.map(t => ({ key: t.name, ...t })));
			for (const t of app.targets) if (t.kind === "device" && t.state.includes(": ")) wrong.push(`${t.name}: ${t.state}`);
			if (app.targets.some(t => t.kind === "room") && app.may("admin", "*")) {
				const r = await app.c.ask("nodes").catch(() => undefined);
				if (r) nodes.update(r.nodes.map(n => ({ key: n.node, ...n })));
				for (const n of r?.nodes ?? []) if (n.stale) wrong.push(`node ${n.node} is silent: what is shown of it is old`);
			}
		}
		const lines = wrong.length ? wrong : ["nothing"];
		if (lines.join("\n") !== [...alarms.children].map(li => li.textContent).join("\n")) alarms.replaceChildren(...lines.map(w => el("li", { textContent: w, className: wrong.length ? "" : "calm" })));
	}, signal);
}
