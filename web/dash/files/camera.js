// A live image. The door scales it to 8 bits; a pixel's number is asked for.
import { el, field, check, options, save, text, remember, remembered } from "./dom.js";

// stops of the colour maps, from the least number to the greatest.
const maps = {
	viridis: ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"],
	inferno: ["#000004", "#1b0c41", "#4a0c6b", "#781c6d", "#a52c60", "#cf4446", "#ed6925", "#fb9b06", "#f7d13d", "#fcffa4"],
	grey: ["#000000", "#ffffff"],
	"blue to red": ["#2166ac", "#67a9cf", "#d1e5f0", "#f7f7f7", "#fddbc7", "#ef8a62", "#b2182b"],
};

// table returns a colour for each of 256 numbers, as the bytes of a pixel.
function table(stops) {
	const t = new Uint32Array(256), rgb = stops.map(s => [1, 3, 5].map(i => parseInt(s.slice(i, i + 2), 16)));
	for (let i = 0; i < 256; i++) {
		const x = i / 255 * (rgb.length - 1), a = Math.min(Math.floor(x), rgb.length - 2), f = x - a;
		const [r, g, b] = rgb[a].map((c, k) => Math.round(c + (rgb[a + 1][k] - c) * f));
		t[i] = 0xff000000 | b << 16 | g << 8 | r;
	}
	return t;
}

// npy returns an array as numpy.load reads it.
function npy(bytes, type, height, width) {
	const descr = { float32: "<f4", uint16: "<u2", uint8: "|u1" }[type];
	let head = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${height}, ${width}), }`;
	head += " ".repeat(63 - (10 + head.length) % 64) + "\n";
	return new Blob([new Uint8Array([0x93, 78, 85, 77, 80, 89, 1, 0, head.length & 255, head.length >> 8]), head, bytes]);
}

export function show(main, app, signal, args) {
	const had = remembered("camera", {});
	const to = el("select", { required: true }), type = el("select"), width = el("input", { type: "number", min: 0, max: 65536, className: "short", placeholder: "auto" }), height = el("input", { type: "number", min: 0, max: 65536, className: "short", placeholder: "auto" });
	const low = el("input", { type: "number", step: "any", className: "short", placeholder: "auto" }), high = el("input", { type: "number", step: "any", className: "short", placeholder: "auto" }), map = el("select"), pause = el("input", { type: "checkbox" });
	options(to, app.targets.map(t => t.name));
	options(type, ["float32", "uint16", "uint8"]);
	options(map, Object.keys(maps));
	for (const [e, k] of [[to, "to"], [type, "type"], [width, "width"], [height, "height"], [low, "low"], [high, "high"], [map, "map"]]) { const v = args.get(k) ?? had[k]; if (v) e.value = v; }
	if (!to.value && to.options.length) to.selectedIndex = 0;
	const canvas = el("canvas", { className: "image", tabIndex: 0, role: "img", width: 1, height: 1, "aria-label": "The image. Arrow keys move the probe, with Shift ten pixels." });
	const probe = el("output", { textContent: "–" }), size = el("dd", { textContent: "–" }), rate = el("dd", { textContent: "–" }), range = el("dd", { textContent: "–" }), missed = el("dd", { textContent: "0" });
	const tile = (label, dd) => el("div", {}, el("dt", { textContent: label }), dd);
	const png = el("button", { type: "button", textContent: "Save .png" }), array = el("button", { type: "button", textContent: "Save .npy" });
	main.append(el("form", { className: "bar", onsubmit: e => { e.preventDefault(); look(); } }, field("Target", to), field("Numbers", type), field("Width", width), field("Height", height), field("Black at", low), field("White at", high),
		el("button", { className: "main", textContent: "Apply" }), field("Colours", map)),
		el("div", { className: "camera" }, canvas, el("div", { className: "figures" },
			el("dl", { className: "tiles" }, tile("Size", size), tile("Frames drawn", rate), tile("Range", range), tile("Missed", missed)),
			el("p", {}, "Probe: ", probe), el("p", { className: "bar" }, png, array, check("hold", pause)))));

	const ctx = canvas.getContext("2d", { alpha: false });
	let colours = table(maps[map.value]), image, stop = () => {}, id, drawn = 0, lost = 0, at, last;
	map.onchange = () => { colours = table(maps[map.value]); keep(); if (last) draw(last); };
	const keep = () => remember("camera", { to: to.value, type: type.value, width: width.value, height: height.value, low: low.value, high: high.value, map: map.value });
	const draw = m => {
		if (canvas.width !== m.width || canvas.height !== m.height || !image) {
			canvas.width = m.width;
			canvas.height = m.height;
			canvas.style.aspectRatio = m.width + " / " + m.height;
			image = ctx.createImageData(m.width, m.height);
		}
		const px = new Uint32Array(image.data.buffer), b = m.bytes;
		for (let i = 0; i < b.length; i++) px[i] = colours[b[i]];
		if (at) { // the probe
			const i = at[1] * m.width + at[0];
			for (const k of [-2, 2]) { if (at[0] + k >= 0 && at[0] + k < m.width) px[i + k] = 0xffffffff; if (at[1] + k >= 0 && at[1] + k < m.height) px[i + k * m.width] = 0xffffffff; }
		}
		ctx.putImageData(image, 0, 0);
	};
	const look = async () => {
		stop();
		keep();
		if (!to.value) return app.say("there is nothing to look at");
		const form = { type: type.value, width: Number(width.value), height: Number(height.value) };
		if (low.value !== "") form.low = Number(low.value);
		if (high.value !== "") form.high = Number(high.value);
		const frames = app.c.room(to.value, { policy: "latest", credit: 2, image: form });
		let mine = true;
		id = frames.id;
		stop = () => { mine = false; frames.return(); };
		try {
			for await (const m of frames) {
				if (!mine) return;
				if (m.missed !== undefined) { lost += m.missed; continue; }
				if (m.error) { app.say(m.error, true); continue; }
				if (!m.width || pause.checked) continue;
				await new Promise(requestAnimationFrame); // one image for each one of the screen
				last = m;
				draw(m);
				drawn++;
				canvas.dispatchEvent(new CustomEvent("drawn", { detail: m.ts }));
			}
		} catch (e) { if (mine) app.say(e.message, true); }
	};
	const ask = async () => {
		if (!at || !last) return;
		const [x, y] = at;
		try { text(probe, `${x}, ${y}: ${(await app.c.ask("pixel", { id, x, y })).text}`); } catch (e) { text(probe, e.message); }
	};
	const move = (x, y) => { if (!last) return; at = [Math.max(0, Math.min(last.width - 1, x)), Math.max(0, Math.min(last.height - 1, y))]; draw(last); ask(); };
	canvas.onpointermove = e => { const r = canvas.getBoundingClientRect(); move(Math.floor((e.clientX - r.left) / r.width * canvas.width), Math.floor((e.clientY - r.top) / r.height * canvas.height)); };
	canvas.onkeydown = e => {
		const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
		if (!step || !last) return;
		e.preventDefault();
		const [x, y] = at ?? [last.width >> 1, last.height >> 1], far = e.shiftKey ? 10 : 1;
		move(x + step[0] * far, y + step[1] * far);
	};
	png.onclick = () => canvas.toBlob(b => b && save("image.png", b));
	array.onclick = async () => { // the next one, as it came
		const raw = app.c.room(to.value, { policy: "latest", credit: 1 });
		for await (const m of raw) {
			if (!m.bytes) continue;
			const n = m.bytes.length / { float32: 4, uint16: 2, uint8: 1 }[type.value], w = Number(width.value) || (Number(height.value) ? n / height.value : Math.sqrt(n)), h = n / w;
			if (Number.isInteger(w) && Number.isInteger(h)) save("image.npy", npy(m.bytes, type.value, h, w));
			else app.say(`a message of ${m.bytes.length} bytes is no such image`, true);
			break;
		}
	};
	const timer = setInterval(() => {
		text(rate, drawn + "/s");
		drawn = 0;
		text(missed, lost);
		if (last) { text(size, `${last.width} × ${last.height}`); text(range, `${+last.low.toPrecision(5)} to ${+last.high.toPrecision(5)}`); ask(); }
	}, 1000);
	signal.addEventListener("abort", () => { stop(); clearInterval(timer); });
	look();
}
