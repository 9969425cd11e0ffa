// Numbers in messages over time. The door keeps ten minutes of each, so that leaving the
// page loses nothing.
import { el, field, options, get, every, Table, remember, remembered, clock } from "./dom.js";

export function show(main, app, signal) {
	const to = el("select", { required: true }), n = el("input", { type: "number", min: 1, max: 1000, value: 1, className: "short" }), dir = el("select"), span = el("select");
	options(to, app.targets.map(t => t.name));
	options(dir, [["s2c", "< what it says"], ["c2s", "> what is said to it"], ["", "both"]]);
	options(span, [["60", "1 minute"], ["300", "5 minutes"], ["600", "10 minutes"]]);
	span.value = "300";
	let all = remembered("plots", []).filter(s => app.targets.some(t => t.name === s.to));
	const place = el("div", { className: "plot", role: "img", "aria-label": "The numbers over time; the table below has them" });
	const data = new Map(); // by key: points by second
	const keyOf = s => `${s.to} ${s.dir} ${s.n}`;
	const label = s => `${s.to}, number ${s.n}` + (s.dir === "c2s" ? " said to it" : "");
	const table = new Table("Numbers", [
		{ label: "Number", value: r => label(r) }, { label: "Last", n: true, value: r => r.points.at(-1)?.[3] ?? "" },
		{ label: "Least", n: true, value: r => r.points.length ? Math.min(...r.points.map(p => p[1])) : "" }, { label: "Greatest", n: true, value: r => r.points.length ? Math.max(...r.points.map(p => p[2])) : "" },
		{ label: "Seconds", n: true, value: r => r.points.length }, { label: "At", value: r => r.points.length ? clock(r.points.at(-1)[0] * 1000) : "" },
		{ name: "remove", make: row => el("button", { className: "small", textContent: "Remove", onclick: () => { all = all.filter(s => keyOf(s) !== row().key); changed(); } }), fill: (b, r) => b.setAttribute("aria-label", "Remove " + label(r)) },
	], { empty: "no number yet: choose a target, and the how manieth number of its messages it is" });
	main.append(el("form", { className: "bar", onsubmit: e => { e.preventDefault(); const s = { to: to.value, n: n.valueAsNumber, dir: dir.value }; if (s.to && !all.some(o => keyOf(o) === keyOf(s))) { all = [...all, s].slice(-8); changed(); } } },
		field("Target", to), field("Number in the message", n), field("Of", dir), el("button", { className: "main", textContent: "Add" }), field("Show", span)), place, el("h2", { textContent: "Values" }), table.node);

	const colors = () => matchMedia("(prefers-color-scheme: dark)").matches ? ["#7db8f5", "#f1c06a", "#7fd6a4", "#ff9b93", "#c9a6ff", "#7fdde6", "#e6e07a", "#f59ad0"] : ["#0b5cad", "#9a5b00", "#17633a", "#a81818", "#6a35b0", "#00707c", "#6b6400", "#a3186f"];
	let plot;
	const build = () => {
		plot?.destroy();
		plot = undefined;
		if (!all.length) return;
		const style = getComputedStyle(document.body), ink = style.color, line = style.getPropertyValue("--line");
		const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
		plot = new uPlot({
			width: place.clientWidth || 600, height: 320, scales: { x: { time: true } }, axes: [{ ...axis, space: 90, values: (u, at) => at.map(t => new Date(t * 1000).toLocaleTimeString("en-GB")) }, { ...axis, size: 70 }], cursor: { drag: { x: true, y: false } },
			series: [{}, ...all.map((s, i) => ({ label: label(s), stroke: colors()[i], width: 1.5, spanGaps: true, points: { show: false } }))],
		}, [[], ...all.map(() => [])], place);
		draw();
	};
	const draw = () => {
		const now = Date.now() / 1000, from = now - Number(span.value);
		const seconds = [...new Set(all.flatMap(s => [...(data.get(keyOf(s))?.keys() ?? [])]))].filter(t => t >= from).sort((a, b) => a - b);
		plot?.setData([seconds, ...all.map(s => seconds.map(t => data.get(keyOf(s))?.get(t)?.[3]))], false);
		plot?.setScale("x", { min: seconds.length ? Math.max(from, Math.min(seconds[0] - 2, now - 30)) : from, max: now }); // what is there fills it
		if (plot) { // what is seen now
			let low = Infinity, high = -Infinity;
			for (const s of all) for (const [t, p] of data.get(keyOf(s)) ?? []) if (t >= from) { low = Math.min(low, p[1]); high = Math.max(high, p[2]); }
			if (low <= high) { const pad = (high - low) * 0.05 || Math.abs(high) * 0.05 || 1; plot.setScale("y", { min: low - pad, max: high + pad }); }
		}
		table.update(all.map(s => ({ key: keyOf(s), ...s, points: [...(data.get(keyOf(s))?.values() ?? [])].filter(p => p[0] >= from) })));
	};
	const changed = () => { remember("plots", all); build(); fetchAll().catch(e => app.say(e.message, true)); table.update(all.map(s => ({ key: keyOf(s), ...s, points: [] }))); };
	const fetchAll = async () => {
		for (const s of all) {
			const have = data.get(keyOf(s)) ?? new Map();
			const last = Math.max(0, ...have.keys());
			const r = await get("series?" + new URLSearchParams({ to: s.to, number: s.n, dir: app.targets.find(t => t.name === s.to)?.kind === "room" ? "" : s.dir, since: last }));
			for (const p of r.points) have.set(p[0], p);
			for (const t of have.keys()) if (t < r.now - 600) have.delete(t);
			data.set(keyOf(s), have);
		}
		if (!signal.aborted) draw();
	};
	const size = new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: 320 }));
	size.observe(place);
	const dark = matchMedia("(prefers-color-scheme: dark)");
	dark.addEventListener("change", build);
	span.onchange = draw;
	signal.addEventListener("abort", () => { size.disconnect(); dark.removeEventListener("change", build); plot?.destroy(); });
	build();
	table.update(all.map(s => ({ key: keyOf(s), ...s, points: [] })));
	every(1000, fetchAll, signal);
}
