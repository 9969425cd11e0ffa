// What the pages are made of. Nothing here replaces an element that is there: focus and
// selection survive every update.

// el makes an element: el("p", {className: "x", onclick: f}, "text", child …). A property
// with a - in its name is an attribute, as are role, for and scope.
export function el(tag, props = {}, ...children) {
	const e = document.createElement(tag);
	for (const [k, v] of Object.entries(props)) {
		if (v === undefined || v === false) continue;
		if (k.includes("-") || k === "role" || k === "scope") e.setAttribute(k, v);
		else e[k] = v;
	}
	e.append(...children.filter(c => c !== undefined && c !== ""));
	return e;
}

// text puts text into an element, if it is not there.
export function text(e, t) {
	t = String(t ?? "");
	if (e.textContent !== t) e.textContent = t;
}

export const field = (label, control) => el("label", {}, label, control);
export const check = (label, control) => el("label", { className: "check" }, control, label);

// options fills a select, keeping what is chosen.
export function options(select, values) {
	const want = values.map(v => (Array.isArray(v) ? v : [v, v]));
	if (want.length === select.options.length && want.every(([v, l], i) => select.options[i].value === v && select.options[i].text === l)) return;
	const had = select.value || select.dataset.want;
	select.replaceChildren(...want.map(([v, l]) => el("option", { value: v, textContent: l })));
	if (want.some(([v]) => v === had)) select.value = had;
}

export const count = n => Number(n).toLocaleString("en");
export const bytes = n => n < 10000 ? count(n) + " B" : n < 1e7 ? (n / 1024).toFixed(0) + " KiB" : n < 1e10 ? (n / 1048576).toFixed(0) + " MiB" : (n / 1073741824).toFixed(1) + " GiB";
export const seconds = s => s < 100 ? s.toFixed(1) + " s" : s < 6000 ? (s / 60).toFixed(0) + " min" : s < 360000 ? (s / 3600).toFixed(1) + " h" : (s / 86400).toFixed(0) + " d";
export const clock = ts => { const d = new Date(ts); return d.toLocaleTimeString("en-GB") + "." + String(d.getMilliseconds()).padStart(3, "0"); };
export const moment = ts => { const d = new Date(ts), p = n => String(n).padStart(2, "0"); return `${d.getFullYear()}-${p(d.getMonth() + 1)}-${p(d.getDate())} ${d.toLocaleTimeString("en-GB")}`; };

// presence says whether a node's or a member's row is so, or was when its node was heard last.
export const presence = row => row.stale ? "stale" : "here";

// scroller makes a part of the page that scrolls, also by keyboard.
export const scroller = (label, child, more = "") => el("div", { className: "scroll " + more, tabIndex: 0, role: "region", "aria-label": label }, child);

// Table is a table whose rows have keys. A column is {label, value(row), n, order(row),
// make(row)}: value is text, n means numbers, make an element that stays. What a row is for
// its element is table.row(element).
export class Table {
	constructor(label, columns, { sort, down = false, empty = "nothing" } = {}) {
		this.columns = columns;
		this.sort = sort ?? -1;
		this.down = down;
		this.empty = empty;
		this.rows = new Map();
		this.last = [];
		this.body = el("tbody");
		this.caption = el("caption");
		this.heads = columns.map((c, i) => el("th", { scope: "col", className: c.n ? "n" : "" },
			c.value || c.order ? el("button", { type: "button", textContent: c.label, onclick: () => this.by(i) }) : c.label || el("span", { className: "unseen", textContent: c.name ?? "actions" })));
		this.table = el("table", {}, this.caption, el("thead", {}, el("tr", {}, ...this.heads)), this.body);
		this.node = scroller(label, this.table);
		this.by(this.sort, this.down);
	}

	by(i, down = i === this.sort && !this.down) {
		this.sort = i;
		this.down = down;
		this.heads.forEach((h, j) => j === i ? h.setAttribute("aria-sort", down ? "descending" : "ascending") : h.removeAttribute("aria-sort"));
		this.update(this.last);
	}

	// update shows rows, each with a key.
	update(rows) {
		this.last = rows;
		const c = this.columns[this.sort], of = c && (c.order ?? c.value);
		if (of) {
			rows = rows.map(r => [of(r), r]).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (this.down ? -1 : 1)).map(([, r]) => r);
		}
		const chosen = getSelection(), selecting = chosen.rangeCount > 0 && !chosen.isCollapsed && chosen.containsNode(this.body, true);
		const focused = document.activeElement?.closest?.("tr");
		const keys = new Set(rows.map(r => r.key)), want = [];
		for (const row of rows) {
			let tr = this.rows.get(row.key);
			if (!tr) this.rows.set(row.key, tr = this.make(row));
			else if (!(selecting && chosen.containsNode(tr, true))) this.fill(tr, row);
			want.push(tr);
		}
		for (const [key, tr] of this.rows) {
			if (keys.has(key)) continue;
			if (tr === focused || selecting && chosen.containsNode(tr, true)) { // it stays until it is left
				tr.className = "gone";
				continue;
			}
			tr.remove();
			this.rows.delete(key);
		}
		if (selecting) want.filter(tr => !tr.isConnected).forEach(tr => this.body.append(tr));
		else this.order(want, focused);
		text(this.caption, rows.length ? `${count(rows.length)} ${rows.length === 1 ? "row" : "rows"}` : this.empty);
	}

	// order puts the rows into their places, around the one that has the focus.
	order(want, focused) {
		let pivot = Math.max(0, want.indexOf(focused));
		if (!want.length) return;
		if (!want[pivot].isConnected || want[pivot] !== focused && this.body.firstChild !== want[0]) this.body.prepend(want[pivot]);
		for (let i = pivot - 1; i >= 0; i--) if (want[i].nextSibling !== want[i + 1]) this.body.insertBefore(want[i], want[i + 1]);
		for (let i = pivot + 1; i < want.length; i++) if (want[i].previousSibling !== want[i - 1]) want[i - 1].after(want[i]);
	}

	make(row) {
		const tr = el("tr");
		tr.cells_ = this.columns.map((c, i) => {
			const td = el("td", { className: (c.n ? "n " : "") + (c.className ?? "") });
			if (c.make) td.append(c.make(() => tr.row_));
			tr.append(td);
			return td;
		});
		this.fill(tr, row);
		return tr;
	}

	fill(tr, row) {
		tr.row_ = row;
		const state = row.stale ? "stale" : "";
		if (tr.className !== state) tr.className = state;
		this.columns.forEach((c, i) => {
			if (c.fill) c.fill(tr.cells_[i].firstChild, row);
			else if (!c.make) text(tr.cells_[i], c.value(row));
		});
	}
}

// every calls f now and each ms until the page is left; one that takes longer is not
// called again meanwhile.
export function every(ms, f, signal) {
	const run = async () => {
		try { if (!document.hidden) await f(); } catch (e) { console.debug(e); }
		if (!signal.aborted) timer = setTimeout(run, ms);
	};
	let timer = setTimeout(run, 0);
	signal.addEventListener("abort", () => clearTimeout(timer));
}

// get returns what an address answers.
export async function get(url) {
	const r = await fetch(url, { cache: "no-store" });
	if (!r.ok) throw new Error((await r.text()).trim() || r.statusText);
	return r.json();
}

// save lets the browser save something.
export function save(name, blob) {
	const a = el("a", { href: URL.createObjectURL(blob), download: name });
	a.click();
	setTimeout(() => URL.revokeObjectURL(a.href), 10000);
}

// remember keeps a value on this machine, for this browser.
export const remember = (key, v) => { try { localStorage.setItem("parley." + key, JSON.stringify(v)); } catch { /* it is not kept */ } };
export const remembered = (key, or) => { try { return JSON.parse(localStorage.getItem("parley." + key)) ?? or; } catch { return or; } };

// ask opens a dialog and returns its form's data, or nothing.
export function ask(title, submit, ...fields) {
	return new Promise(done => {
		const back = document.activeElement;
		const d = el("dialog", { "aria-labelledby": "asked" },
			el("form", { method: "dialog", onsubmit: () => { d.data = Object.fromEntries(new FormData(d.querySelector("form"))); } },
				el("h2", { id: "asked", textContent: title }), ...fields,
				el("p", { className: "bar" },
					el("button", { className: "main", value: "ok", textContent: submit }),
					el("button", { type: "button", textContent: "Cancel", onclick: () => d.close() }))));
		d.onclose = () => { d.remove(); back?.isConnected && back.focus(); done(d.data); };
		document.body.append(d);
		d.showModal();
	});
}

// kill asks why, and for how long the address is refused.
export async function kill(what, act, say) {
	const data = await ask("Close " + what + "?", "Close it",
		el("p", { className: "bar" },
			field("Reason (its log has it)", el("input", { name: "reason", className: "wide", maxLength: 200, autofocus: true })),
			field("Refuse its address", el("select", { name: "ban" }, ...[["0", "no"], ["60", "1 minute"], ["300", "5 minutes"], ["3600", "1 hour"], ["86400", "1 day"]].map(([v, l]) => el("option", { value: v, textContent: l }))))));
	if (!data) return;
	try { await act(data.reason, Number(data.ban)); say(what + " is closed"); } catch (e) { say(e.message, true); }
}
