// The dashboard: which pages there are, and the one that is shown.
import { connect } from "../parley.js";
import { el, text, get, remembered, remember } from "./dom.js";

const titles = {
	overview: "Overview", connections: "Connections", messages: "Messages", plot: "Plot", camera: "Camera",
	console: "Console", recordings: "Recordings", transfers: "Transfers", rooms: "Rooms and people",
};
const state = document.getElementById("state"), main = document.getElementById("main"), nav = document.getElementById("nav");
let left = new AbortController();

// say shows how things are.
function say(t, bad = false) {
	text(state, t);
	state.className = bad ? "bad" : "";
}

async function login() {
	const token = el("input", { type: "password", name: "token", className: "wide", required: true, autocomplete: "current-password" });
	const wrong = el("p", { className: "bad", role: "alert" });
	document.title = "Log in – parley";
	main.replaceChildren(el("h1", { textContent: "Log in" }), el("p", { className: "note", textContent: "A token is made by parley web token." }),
		el("form", {
			className: "bar", onsubmit: async e => {
				e.preventDefault();
				const r = await fetch("login", { method: "POST", body: new URLSearchParams({ token: token.value }) });
				if (r.ok) location.reload();
				else text(wrong, "This token is nobody's.");
			},
		}, el("label", {}, "Token", token), el("button", { className: "main", textContent: "Log in" })), wrong);
	token.focus();
}

async function start() {
	const info = await get("info");
	const app = { info, say, c: undefined, targets: [], may: () => false, go: (page, args) => { location.hash = "#/" + page + (args ? "?" + new URLSearchParams(args) : ""); } };
	if (info.door) {
		if ((await get("login")).login) return login();
		const who = await get("targets");
		app.targets = who.targets ?? [];
		const all = (who.scopes ?? "").split(",");
		app.may = (scope, name) => name === "*" ? all.includes(scope) : app.targets.some(t => (!name || t.name === name) && t.scopes.split(",").includes(scope));
		app.c = connect();
		app.c.on(s => {
			if (s === "open") { app.targets = app.c.targets; say(who.user ? "connected as " + who.user : "connected"); } else if (s === "connecting") say("connecting…");
			else say("not connected: " + s, true);
		});
		if (who.user) nav.parentNode.after(el("button", { className: "small", textContent: "Log out", onclick: async () => { await fetch("login", { method: "POST" }); location.reload(); } }));
	}
	const pages = info.pages.filter(p => p !== "recordings" || app.may("read", "*"));
	nav.replaceChildren(...pages.map(p => el("li", {}, el("a", { href: "#/" + p, textContent: titles[p] }))));
	const show = async first => {
		if (first !== true && location.hash && !location.hash.startsWith("#/")) return; // a place on this page
		const [name, query = ""] = location.hash.slice(2).split("?");
		const page = pages.includes(name) ? name : pages.includes(remembered("page")) && first === true ? remembered("page") : pages[0];
		left.abort();
		left = new AbortController();
		remember("page", page);
		for (const a of nav.querySelectorAll("a")) a.hash === "#/" + page ? a.setAttribute("aria-current", "page") : a.removeAttribute("aria-current");
		document.title = titles[page] + " – parley";
		main.replaceChildren(el("h1", { textContent: titles[page] }));
		const signal = left.signal, args = new URLSearchParams(query);
		const module = await import(`./${page}.js`);
		if (signal.aborted) return;
		module.show(main, app, signal, args);
		if (first !== true) main.focus({ preventScroll: true });
	};
	addEventListener("hashchange", show);
	await show(true);
}

start().catch(e => say(e.message, true));
