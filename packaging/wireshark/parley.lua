-- Dissectors for Wireshark and tshark: oneline, tinyproto, serpy, serpy2, line, scpi
-- and frame, the wires of parley, on any port.
--
-- What "parley tap --pcapng" writes is recognised by itself, with all options: the
-- file's interface has the URL as its name. In other captures oneline, tinyproto,
-- serpy, serpy2 and SCPI are found by how they begin, or with Decode As
-- (tshark -d tcp.port==5001,oneline). How a line or a frame looks is said in the
-- preferences of the protocol, as in a URL behind the question mark:
--
--	tshark -d tcp.port==502,parley_frame -o 'parley_frame.form:size=u16be&offset=4'
--
-- Wireshark itself has a protocol "frame", so that one is parley_frame in filters.
-- To install it by hand, copy it to the folder that Help, About, Folders names as
-- "Personal Lua Plugins".

-- Wireshark brings one of the two, or a Lua that has operators.
local bit = bit or bit32 or load([[return {
	band = function(a, b) return a & b end, bxor = function(a, b) return a ~ b end,
	lshift = function(a, n) return a << n end, rshift = function(a, n) return a >> n end,
}]])()
local band, bxor, rshift = bit.band, bit.bxor, bit.rshift

local stream_of = Field.new("tcp.stream")
local interface_of = Field.new("frame.interface_name")

local LARGEST = 16 * 1024 * 1024 -- a longer message is shown in the pieces it came in
local SUMMED = 1024 * 1024 -- a check over more is not verified

---------------------------------------------------------------- text and options

-- readable tells whether s is printable text.
local function readable(s)
	return not s:find("[\0-\8\11\12\14-\31\127]")
end

-- shown is s on one line, shortened, for the columns.
local function shown(s)
	local cut = s:sub(1, 80)
	if not readable(cut) then
		return (#s == 1 and "1 byte" or #s .. " bytes")
	end
	cut = cut:gsub("\r", "\\r"):gsub("\n", "\\n"):gsub("\t", "\\t")
	return '"' .. cut .. (#s > 80 and '…"' or '"')
end

local function unescaped(s)
	return (s:gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end))
end

-- options reads what stands behind the question mark of a URL.
local function options(query)
	local o = {}
	for pair in (query or ""):gmatch("[^&]+") do
		local k, v = pair:match("^([^=]*)=(.*)$")
		o[k or pair] = unescaped((v or "on"))
	end
	return o
end

local function is_on(v) return v == "on" or v == "true" or v == "1" or v == "yes" end

---------------------------------------------------------------- the engine

-- A wire has a name, a Proto, and next(c, s, at): what stands in the bytes s from
-- index at on. It returns an item, or nil and how many more bytes it needs (nil: it
-- does not know). An item has n, the bytes it takes; label and info for the eye;
-- fields, each {field, offset, length, value}; inside, bytes that were decoded.
-- c has me and peer, what is remembered of each direction; first, whether this side
-- was the first to speak; and o, the options.

local flows, memory = {}, {}

local function flow_of(pinfo, query)
	local stream = stream_of()
	local id = stream and stream.value or 0
	local f = flows[id]
	local from = tostring(pinfo.src) .. " " .. pinfo.src_port
	if not f then
		f = { first = from, sides = {} }
		flows[id] = f
	end
	f.query = f.query or query
	return f, from
end

local function side(f, from)
	f.sides[from] = f.sides[from] or {}
	return f.sides[from]
end

-- parse takes the bytes of one call apart. It is done once for each call, in the
-- order of the capture; later visits find what it has found.
local function parse(wire, tvb, pinfo)
	local key = pinfo.number .. " " .. tvb:len() .. " " .. tvb:offset()
	if memory[key] then
		return memory[key]
	end
	local f, from = flow_of(pinfo)
	local c = { me = side(f, from), first = f.first == from, flow = f,
		peer = side(f, tostring(pinfo.dst) .. " " .. pinfo.dst_port) }
	f.options = f.options or options(f.query or wire.proto.prefs.form)
	c.o = f.options
	local s, at, found = tvb:raw(), 1, {}
	while at <= #s do
		local item, need = wire.next(c, s, at)
		if not item then
			found.rest, found.need = at, need
			break
		end
		item.at = at
		found[#found + 1] = item
		at = at + item.n
	end
	memory[key] = found
	return found
end

local function add(tree, wire, tvb, item)
	local sub = tree:add(wire.proto, tvb(item.at - 1, item.n), wire.name .. ": " .. item.label)
	local inside
	if item.inside and #item.inside > 0 then
		inside = ByteArray.new(item.inside, true):tvb("decoded")
	end
	for _, f in ipairs(item.fields or {}) do
		local field, offset, length, value = f[1], f[2], f[3], f[4]
		local range
		if f.inside then
			range = inside and inside(offset, length) or length == 0 and tvb(item.at - 1, 0)
		else
			range = tvb(item.at - 1 + offset, length)
		end
		if range then
			local leaf
			if value == nil then leaf = sub:add(field, range) else leaf = sub:add(field, range, value) end
			if f.generated then leaf:set_generated() end
		end
	end
	if item.wrong then
		sub:add_proto_expert_info(wire.wrong, item.wrong)
	end
end

local function dissect(wire, tvb, pinfo, root)
	if tvb:len() == 0 then return 0 end
	local found = parse(wire, tvb, pinfo)
	pinfo.cols.protocol = wire.name
	local tree = root
	local said = {}
	for _, item in ipairs(found) do
		add(tree, wire, tvb, item)
		if item.info and #said < 8 then said[#said + 1] = item.info end
	end
	if #said > 0 then
		pinfo.cols.info = table.concat(said, ", ")
	end
	if found.rest and tvb:len() == tvb:reported_len() then
		pinfo.desegment_offset = found.rest - 1
		pinfo.desegment_len = found.need or DESEGMENT_ONE_MORE_SEGMENT
	end
	return tvb:len()
end

-- wire makes one: its name, its name in filters, what it is, and its fields.
local wires = {}

local function wire(name, filter, about, fields)
	local w = { name = name, proto = Proto(filter, about), f = {} }
	local all = {}
	for k, f in pairs(fields) do
		w.f[k] = f
		all[#all + 1] = f
	end
	w.proto.fields = all
	w.wrong = ProtoExpert.new(filter .. ".wrong", "Damaged", expert.group.MALFORMED, expert.severity.WARN)
	w.proto.experts = { w.wrong }
	w.proto.prefs.form = Pref.string("Form", "", "What stands behind the question mark of a URL")
	w.proto.dissector = function(tvb, pinfo, root) return dissect(w, tvb, pinfo, root) end
	w.proto.init = function() flows, memory = {}, {} end
	wires[name] = w
	return w
end

-- data returns the fields of a payload: as bytes, and as text where it is text.
local function data(w, s, offset, inside)
	local list = { { w.f.data, offset, #s, inside = inside } }
	if #s > 0 and readable(s) then
		list[2] = { w.f.text, offset, #s, inside = inside }
	end
	return list
end

local function joined(...)
	local all = {}
	for _, list in ipairs { ... } do
		for _, f in ipairs(list) do all[#all + 1] = f end
	end
	return all
end

-- piece is a part of a payload that is too large to be put together.
local function piece(w, c, s, at)
	local n = math.min(c.me.rest, #s - at + 1)
	c.me.rest = c.me.rest - n
	local last = c.me.rest == 0
	if last then c.me.rest = nil end
	return { n = n, label = (last and "last " or "") .. "part of a message, " .. n .. " bytes",
		info = "part, " .. n .. " bytes", fields = { { w.f.data, 0, n } } }
end

---------------------------------------------------------------- oneline

local oneline = wire("oneline", "oneline", "oneline (socket-oneline)", {
	text = ProtoField.string("oneline.text", "Text", base.UNICODE),
	data = ProtoField.bytes("oneline.data", "Bytes"),
	command = ProtoField.string("oneline.command", "Command", base.UNICODE),
	response = ProtoField.string("oneline.response", "Response", base.UNICODE),
	reserved = ProtoField.string("oneline.reserved", "Reserved word"),
})
local reserved = { ping = "asks whether the server is there", pong = "the server is there",
	disconnect = "the client leaves", shutdown = "the client ends the server" }

function oneline.next(c, s, at)
	local stop = s:find("\n", at, true)
	if not stop then return nil end
	local text = s:sub(at, stop - 1)
	if c.me.left then
		return { n = stop - at + 1, label = "stands behind the farewell, and is ignored" }
	end
	if text == "ping" and not c.flow.client then c.flow.client = c.me end
	local client = c.flow.client == c.me or not c.flow.client and c.first
	-- A server does not look at bytes above 7F.
	local word = reserved[client and text:gsub("[\128-\255]", "") or text]
	local who = client and "command" or "response"
	local f = { { oneline.f[who], 0, #text }, { oneline.f.text, 0, #text }, { oneline.f.data, 0, #text } }
	if word and (client or text == "pong") then
		f[4] = { oneline.f.reserved, 0, #text }
		who = word
		c.me.left = client and text:find("^[ds]") ~= nil
	end
	return { n = stop - at + 1, label = shown(text) .. ", " .. who, info = (client and "> " or "< ") .. shown(text), fields = f }
end

---------------------------------------------------------------- tinyproto

local codes = { [0xFF] = "OK", [0xFE] = "connection limit", [0xFD] = "conflict", [0x00] = "error" }
local tinyproto = wire("tinyproto", "tinyproto", "tinyproto", {
	hello = ProtoField.uint8("tinyproto.hello", "Hello", base.HEX, codes),
	status = ProtoField.uint8("tinyproto.status", "Status", base.HEX, codes),
	size = ProtoField.uint32("tinyproto.size", "Size"),
	data = ProtoField.bytes("tinyproto.data", "Message"),
	text = ProtoField.string("tinyproto.text", "Text", base.UNICODE),
})

-- status takes a status byte: it answers the peer's oldest header. Where that is of a
-- large message, whose payload has waited for it, the statuses that the peer still
-- owes come before the payload.
local function status(c, b)
	local p, me = c.peer, c.me
	p.unanswered = math.max((p.unanswered or 0) - 1, 0)
	if p.size and p.held and p.unanswered == 0 then p.owed = me.unanswered or 0 end
	local name = codes[b] or string.format("0x%02x", b)
	return { n = 1, label = "status, " .. name, info = b == 0xFF and "OK" or "refused: " .. name, fields = { { tinyproto.f.status, 0, 1 } } }
end

function tinyproto.next(c, s, at)
	local me, b, have = c.me, s:byte(at), #s - at + 1
	if not me.hello then
		me.hello = true
		return { n = 1, label = b == 0xFF and "hello" or "refused: " .. (codes[b] or "?"),
			info = b == 0xFF and "hello" or "refused", fields = { { tinyproto.f.hello, 0, 1 } } }
	end
	if me.rest then return piece(tinyproto, c, s, at) end
	if me.size and me.held and (me.owed or 0) > 0 then
		me.owed = me.owed - 1
		return status(c, b)
	end
	if me.size then
		if me.size > LARGEST then
			me.rest, me.size = me.size, nil
			return piece(tinyproto, c, s, at)
		end
		if have < me.size then return nil, me.size - have end
		local body = s:sub(at, at + me.size - 1)
		me.size = nil
		return { n = #body, label = "message, " .. #body .. " bytes", info = shown(body), fields = data(tinyproto, body, 0) }
	end
	if b >= 0xFD or (b == 0 and have == 1 and (c.peer.unanswered or 0) > 0) then
		return status(c, b)
	end
	if have < 4 then return nil, 4 - have end
	local size = ((b * 256 + s:byte(at + 1)) * 256 + s:byte(at + 2)) * 256 + s:byte(at + 3)
	local item = { n = 4, label = "a message of " .. size .. " bytes follows", fields = { { tinyproto.f.size, 0, 4 } } }
	if size > 0xF0FFFFFF then
		item.wrong = "a message can't be longer than 0xF0FFFFFF bytes"
		return item
	end
	me.unanswered = (me.unanswered or 0) + 1
	if size > 0 then
		me.size, me.held, me.owed = size, size > 65536, 0
	else
		item.label, item.info = "an empty message", "empty message"
		item.fields[2] = { tinyproto.f.data, 3, 0 }
	end
	return item
end

---------------------------------------------------------------- serpy

local modes = { [0] = "raw", "raw, acknowledged", "base85", "base85, acknowledged", "pickle", "pickle, acknowledged" }
local serpy = wire("serpy", "serpy", "serpy", {
	command = ProtoField.string("serpy.command", "Command"),
	mode = ProtoField.uint8("serpy.mode", "Mode", base.DEC, modes),
	encoded = ProtoField.bytes("serpy.encoded", "On the wire"),
	data = ProtoField.bytes("serpy.data", "Data"),
	text = ProtoField.string("serpy.text", "Text", base.UNICODE),
})

local alphabet = {}
do
	local all = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
	for i = 1, #all do alphabet[all:byte(i)] = i - 1 end
end

-- base85 decodes Python's b85encode, or returns nil.
local function base85(s)
	local out = {}
	for at = 1, #s, 5 do
		local group = s:sub(at, at + 4)
		local short = 5 - #group
		local v = 0
		for i = 1, 5 do
			local digit = i <= #group and alphabet[group:byte(i)] or 84
			if not digit then return nil end
			v = v * 85 + digit
		end
		if v > 0xFFFFFFFF then return nil end
		out[#out + 1] = string.char(math.floor(v / 16777216), math.floor(v / 65536) % 256, math.floor(v / 256) % 256, v % 256):sub(1, 4 - short)
	end
	return table.concat(out)
end

-- acknowledged shows a block of mode 1, 3 or 5, in which messages end with 04: several
-- may, and one may have begun in the blocks before.
local function acknowledged(me, mode, block, item)
	local whole, offset, f = {}, 0, { { serpy.f.mode, 0, 0, mode, generated = true } }
	for part in block:gmatch("([^\4]*)\4") do
		local text = (me.begun or "") .. part
		me.begun = nil
		if mode > 1 then
			text = base85((text:gsub("^\1", "")))
			if not text then item.wrong = "that is no base85" end
		end
		whole[#whole + 1] = text
	end
	local rest = block:match("([^\4]*)$")
	if rest ~= "" then me.begun = (me.begun or "") .. rest end
	item.inside = table.concat(whole)
	if mode > 1 then f[2] = { serpy.f.encoded, 0, #block } end
	for _, text in ipairs(whole) do
		f = joined(f, data(serpy, text, offset, true))
		offset = offset + #text
	end
	item.fields = f
	item.info = #whole > 0 and (mode == 5 and "pickle, " .. #whole[1] .. " bytes" or shown(whole[1])) or "part of a message"
	item.label = "data, mode " .. mode .. ", " .. item.info
	return item
end

function serpy.next(c, s, at)
	local me = c.me
	local stop = s:find("\31", at, true)
	if not stop then return nil end
	local block = s:sub(at, stop - 1)
	local item = { n = stop - at + 1 }
	if block == "" then
		item.label = "an empty block"
		return item
	end
	if block:find("^\1SETMODE.") then
		me.mode = tonumber(block:sub(-1)) or -1
		item.label, item.info = "SETMODE" .. me.mode .. ", " .. (modes[me.mode] or "unknown"), "SETMODE" .. me.mode
		item.fields = { { serpy.f.command, 1, #block - 1 }, { serpy.f.mode, #block - 1, 1, math.max(me.mode, 0) } }
		return item
	end
	if block == "\1ACKMODCG" or block == "\1ACKEOT!!" then
		local mode = block == "\1ACKMODCG"
		item.label = mode and "acknowledges the mode" or "acknowledges a message"
		item.info = block:sub(2)
		item.fields = { { serpy.f.command, 1, #block - 1 } }
		return item
	end
	local mode = me.mode or 0
	if mode % 2 == 1 then return acknowledged(me, mode, block, item) end
	item.fields = { { serpy.f.mode, 0, 0, math.max(mode, 0), generated = true } }
	-- 01 in front is not part of the data.
	local skip = block:find("^\1") and 1 or 0
	local body = block:sub(1 + skip)
	if mode >= 2 then
		local plain = base85(body)
		item.fields[2] = { serpy.f.encoded, skip, #body }
		if not plain then
			item.label, item.wrong = "data", "that is no base85"
			return item
		end
		item.inside = plain
		item.fields = joined(item.fields, data(serpy, plain, 0, true))
		item.info = mode >= 4 and "pickle, " .. #plain .. " bytes" or shown(plain)
	else
		item.fields = joined(item.fields, data(serpy, body, skip))
		item.info = shown(body)
	end
	item.label = "data, mode " .. mode .. ", " .. item.info
	return item
end

---------------------------------------------------------------- serpy2

local types = { [0x01] = "int", [0x11] = "float", [0x21] = "str", [0x81] = "bytes" }
local serpy2 = wire("serpy2", "serpy2", "serpy2", {
	kind = ProtoField.uint8("serpy2.type", "Type", base.HEX, types),
	checksum = ProtoField.uint32("serpy2.checksum", "Checksum", base.HEX),
	length = ProtoField.uint32("serpy2.length", "Length"),
	int = ProtoField.int64("serpy2.int", "Value"),
	float = ProtoField.string("serpy2.float", "Value"),
	text = ProtoField.string("serpy2.text", "Text", base.UNICODE),
	data = ProtoField.bytes("serpy2.data", "Bytes"),
	garbage = ProtoField.bytes("serpy2.garbage", "Garbage"),
})
local IDENTIFIER = "\222\202\254\202\254"

local function le32(s, at)
	local a, b, c, d = s:byte(at, at + 3)
	return ((d * 256 + c) * 256 + b) * 256 + a
end

local function sum32(s)
	local sum = 0
	for i = 1, #s do sum = sum + s:byte(i) end
	return sum % 4294967296
end

-- integer is a little-endian integer of at most 8 bytes.
local function integer(s)
	local v = Int64(0, 0)
	local low, high = le32((s .. ("\0"):rep(8)):sub(1, 8), 1), le32((s .. ("\0"):rep(8)):sub(1, 8), 5)
	if #s > 0 and #s < 8 and s:byte(#s) >= 128 then -- its sign reaches further
		local full = s .. ("\255"):rep(8 - #s)
		low, high = le32(full, 1), le32(full, 5)
	end
	v = Int64(low, high)
	return v
end

function serpy2.next(c, s, at)
	local have = #s - at + 1
	if c.me.rest then return piece(serpy2, c, s, at) end
	if s:sub(at, at + 4) ~= IDENTIFIER then
		if IDENTIFIER:sub(1, have) == s:sub(at) then return nil, 14 - have end
		local stop = s:find(IDENTIFIER, at, true)
		local n = stop and stop - at or have
		return { n = n, label = n .. " bytes that belong to no block", info = n .. " bytes of garbage", fields = { { serpy2.f.garbage, 0, n } },
			wrong = "no identifier DE CA FE CA FE" }
	end
	if have < 14 then return nil, 14 - have end
	local kind, checksum, length = s:byte(at + 5), le32(s, at + 6), le32(s, at + 10)
	local head = { { serpy2.f.kind, 5, 1 }, { serpy2.f.checksum, 6, 4, checksum }, { serpy2.f.length, 10, 4, length } }
	local name = types[kind] or string.format("type 0x%02x", kind)
	if length > LARGEST then
		c.me.rest = length
		return { n = 14, label = name .. ", " .. length .. " bytes follow", info = name .. ", " .. length .. " bytes", fields = head }
	end
	if have < 14 + length then return nil, 14 + length - have end
	local body = s:sub(at + 14, at + 13 + length)
	local item = { n = 14 + length, info = name .. " " .. shown(body) }
	head[4] = { serpy2.f.data, 14, length }
	if kind == 0x01 and length <= 8 then
		local v = integer(body)
		item.fields, item.info = joined(head, { { serpy2.f.int, 14, length, v } }), "int " .. tostring(v)
	elseif kind == 0x11 then
		item.fields, item.info = joined(head, { { serpy2.f.float, 14, length } }), "float " .. body
	elseif kind == 0x21 then
		item.fields = joined(head, { { serpy2.f.text, 14, length } })
	else
		item.fields = head
	end
	item.label = item.info
	if not types[kind] then item.wrong = "there is no such type" end
	if length <= SUMMED and sum32(body) ~= checksum then item.wrong = string.format("the checksum is 0x%08x", sum32(body)) end
	return item
end

---------------------------------------------------------------- line and scpi

local function line_wire(name, about, blocks)
	local w = wire(name, name, about, {
		text = ProtoField.string(name .. ".text", "Text", base.UNICODE),
		data = ProtoField.bytes(name .. ".data", "Bytes"),
		command = ProtoField.string(name .. ".command", "Command", base.UNICODE),
		block = ProtoField.bytes(name .. ".block", "Block"),
		prompt = ProtoField.string(name .. ".prompt", "Prompt", base.UNICODE),
		ends = ProtoField.bytes(name .. ".end", "End"),
	})
	w.blocks = blocks
	return w
end
local line = line_wire("line", "Lines of any kind", false)
local scpi = line_wire("scpi", "SCPI", true)

local names = { lf = "\n", cr = "\r", crlf = "\r\n", nul = "\0" }

-- ends returns what may end a message, longest first.
local function ends(o)
	if o.ends then return o.ends end
	local all, is = {}, {}
	local function put(e)
		if e ~= "" and not is[e] then
			is[e] = true
			all[#all + 1] = e
		end
	end
	for _, list in ipairs { o["end"] or o.eol or "any", o.send or "" } do
		for e in list:gmatch("[^,]+") do
			if e == "any" then
				put("\r\n") put("\n") put("\r")
			elseif e ~= "same" then
				put(names[e] or e)
			end
		end
	end
	table.sort(all, function(a, b) return #a > #b end)
	o.ends = all
	return all
end

-- block returns the length of the block that begins at index at, its header and its
-- data; nil if none does; and how many bytes are missing, if some are.
local function block(s, at)
	local digits = s:match("^#([1-9])", at)
	if not digits then return nil end
	digits = tonumber(digits)
	local size = s:sub(at + 2, at + 1 + digits)
	if #size < digits then return nil, digits - #size + 1 end
	if size:find("%D") then return nil end
	local n = 2 + digits + tonumber(size)
	if at + n - 1 > #s then return nil, at + n - 1 - #s end
	return n
end

-- stop_of finds the end of the message at index at: its first and its last index, and
-- its blocks; or nil, and how many bytes are missing at least.
local function stop_of(w, o, s, at)
	local all, found = ends(o), {}
	local has_blocks = w.blocks
	if o.blocks then has_blocks = is_on(o.blocks) end
	has_blocks = has_blocks and s:find("#%d", at)
	local i, quote, begins = at, nil, true
	while i <= #s do
		for _, e in ipairs(all) do
			if s:sub(i, i + #e - 1) == e then return i, i + #e - 1, found end
		end
		if not has_blocks then
			i = i + 1
		else
			local ch = s:sub(i, i)
			if ch == "#" and begins and not quote then
				local n, missing = block(s, i)
				if missing then return nil, missing end
				if n then
					found[#found + 1] = { i, n }
					i = i + n - 1
				end
			elseif quote then
				if ch == quote then quote = nil end
			elseif ch == '"' or ch == "'" then
				quote = ch
			end
			begins = ch:find("[%s,;:]") ~= nil
			i = i + 1
		end
	end
	return nil
end

local function line_next(w)
	return function(c, s, at)
		local me = c.me
		if me.cr and s:sub(at, at) == "\n" then
			me.cr = false
			return { n = 1, label = "LF that belongs to the CR before it" }
		end
		local prompt = c.o.prompt
		if prompt and not c.first and s:sub(at, at + #prompt - 1) == prompt then
			return { n = #prompt, label = "prompt " .. shown(prompt), info = "prompt", fields = { { w.f.prompt, 0, #prompt } } }
		end
		local from, to, blocks = stop_of(w, c.o, s, at)
		if not from then return nil, to end
		me.cr = to == #s and s:sub(to, to) == "\r" and #ends(c.o) > 1
		local text = s:sub(at, from - 1)
		local f = { { w.f.data, 0, #text } }
		if readable(text) then
			f[2] = { w.f.text, 0, #text }
			local offset = 0
			if w.blocks and c.first then
				for unit in (text .. ";"):gmatch("([^;]*);") do
					if unit ~= "" then f[#f + 1] = { w.f.command, offset, #unit } end
					offset = offset + #unit + 1
				end
			end
		end
		for _, b in ipairs(blocks) do
			local digits = tonumber(s:sub(b[1] + 1, b[1] + 1))
			f[#f + 1] = { w.f.block, b[1] - at + 2 + digits, b[2] - 2 - digits }
		end
		f[#f + 1] = { w.f.ends, #text, to - from + 1 }
		local what = shown(text)
		if #blocks > 0 then what = "block of " .. blocks[1][2] - 2 - tonumber(s:sub(blocks[1][1] + 1, blocks[1][1] + 1)) .. " bytes" end
		return { n = to - at + 1, label = what, info = (c.first and "> " or "< ") .. what, fields = f }
	end
end
line.next = line_next(line)
scpi.next = line_next(scpi)

---------------------------------------------------------------- frame

local frame = wire("frame", "parley_frame", "frame (parley)", {
	magic = ProtoField.bytes("parley_frame.magic", "Magic"),
	size = ProtoField.uint64("parley_frame.size", "Size"),
	head = ProtoField.bytes("parley_frame.head", "Head"),
	encoded = ProtoField.bytes("parley_frame.encoded", "On the wire"),
	data = ProtoField.bytes("parley_frame.data", "Payload"),
	text = ProtoField.string("parley_frame.text", "Text", base.UNICODE),
	check = ProtoField.bytes("parley_frame.check", "Check"),
	good = ProtoField.bool("parley_frame.check.good", "Good"),
	garbage = ProtoField.bytes("parley_frame.garbage", "Garbage"),
})

-- crc returns a function for the CRC of a string, of a width of 16 or 32 bits.
local function crc(width, poly, init, reflected, final)
	local tables = {}
	local top, mask = width == 16 and 0x8000 or 0x80000000, width == 16 and 0xFFFF or 0xFFFFFFFF
	for i = 0, 255 do
		local v = reflected and i or bit.lshift(i, width - 8)
		for _ = 1, 8 do
			if reflected then
				v = band(v, 1) ~= 0 and bxor(rshift(v, 1), poly) or rshift(v, 1)
			else
				v = band(v, top) ~= 0 and bxor(bit.lshift(v, 1), poly) or bit.lshift(v, 1)
			end
			v = band(v, mask)
		end
		tables[i] = v
	end
	return function(s)
		local v = init
		for i = 1, #s do
			if reflected then
				v = bxor(rshift(v, 8), tables[band(bxor(v, s:byte(i)), 0xFF)])
			else
				v = band(bxor(bit.lshift(v, 8), tables[band(bxor(rshift(v, width - 8), s:byte(i)), 0xFF)]), mask)
			end
		end
		return bxor(v, final) % (width == 16 and 65536 or 4294967296)
	end
end

-- The checks: how many bytes, what they are of a string, and whether the least
-- significant one stands first.
local checks = {
	sum8 = { 1, function(s) local v = 0 for i = 1, #s do v = v + s:byte(i) end return v % 256 end },
	xor8 = { 1, function(s) local v = 0 for i = 1, #s do v = bxor(v, s:byte(i)) end return v end },
	["crc16-modbus"] = { 2, crc(16, 0xA001, 0xFFFF, true, 0), true },
	["crc16-ccitt-false"] = { 2, crc(16, 0x1021, 0xFFFF, false, 0) },
	["crc16-xmodem"] = { 2, crc(16, 0x1021, 0, false, 0) },
	crc32 = { 4, crc(32, 0xEDB88320, 0xFFFFFFFF, true, 0xFFFFFFFF) },
	crc32c = { 4, crc(32, 0x82F63B78, 0xFFFFFFFF, true, 0xFFFFFFFF) },
}

-- check_of returns the check that the options name, or nil.
local function check_of(o)
	if o.checked == nil then
		local name = o.check or ""
		local kind = checks[name]
		local little = kind and kind[3]
		if not kind then
			local plain, order = name:match("^(.*)%-([bl]e)$")
			kind, little = checks[plain or ""], order == "le"
		end
		o.checked = kind and { n = kind[1], of = kind[2], little = little } or false
	end
	return o.checked or nil
end

-- is_good tells whether the check at the end of s is that of what it is over.
local function is_good(check, over, stands)
	local v, want = check.of(over), {}
	for i = 1, check.n do
		want[check.little and i or check.n + 1 - i] = string.char(v % 256)
		v = math.floor(v / 256)
	end
	return table.concat(want) == stands
end

local widths = { u8 = 1, u16be = 2, u16le = 2, u32be = 4, u32le = 4, u64be = 8, u64le = 8 }

-- size_of reads the size at index at: it and how many bytes it takes, or nil and how
-- many are missing.
local function size_of(form, s, at)
	if form == "varint" then
		local v, scale = 0, 1
		for i = 0, 9 do
			local b = s:byte(at + i)
			if not b then return nil, 1 end
			v = v + (b % 128) * scale
			if b < 128 then return v, i + 1 end
			scale = scale * 128
		end
		return -1, 10
	end
	local n = widths[form] or 4
	if #s - at + 1 < n then return nil, n - (#s - at + 1) end
	local v = 0
	for i = 0, n - 1 do
		v = v * 256 + s:byte(form:find("le$") and at + n - 1 - i or at + i)
	end
	return v, n
end

local function magic_of(o)
	local m = o.magic or ""
	local hex = m:match("^0[xX](%x+)$")
	if hex then return (hex:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)) end
	return m
end

local marks = {
	slip = { "\192", function(s)
		local bad
		s = s:gsub("\219(.?)", function(e)
			if e == "\220" then return "\192" elseif e == "\221" then return "\219" end
			bad = "there is no such escape"
			return e
		end)
		return s, bad
	end },
	cobs = { "\0", function(s)
		local out, i = {}, 1
		while i <= #s do
			local n = s:byte(i)
			if i + n - 1 > #s then return table.concat(out), "a block is longer than its frame" end
			out[#out + 1] = s:sub(i + 1, i + n - 1)
			i = i + n
			if n < 255 and i <= #s then out[#out + 1] = "\0" end
		end
		return table.concat(out)
	end },
}

-- unmarked shows what stands between marks: the bytes on the wire, and decoded.
local function unmarked(o, item, raw, offset, plain, bad)
	item.inside, item.wrong = plain, bad
	item.fields = { { frame.f.encoded, offset, #raw } }
	local check, body = check_of(o), plain
	if check and #plain >= check.n then
		body = plain:sub(1, #plain - check.n)
		local good = is_good(check, body, plain:sub(-check.n))
		item.fields[2] = { frame.f.check, #body, check.n, inside = true }
		item.fields[3] = { frame.f.good, #body, check.n, good, inside = true, generated = true }
		if not good then item.wrong = "the check is wrong" end
	end
	item.fields = joined(item.fields, data(frame, body, 0, true))
	item.info = shown(body)
	item.label = item.info
	return item
end

local function next_mark(kind, o, s, at)
	local mark, plain = marks[kind][1], marks[kind][2]
	local stop = s:find(mark, at, true)
	if not stop then return nil end
	if stop == at then return { n = 1, label = "mark" } end
	local raw = s:sub(at, stop - 1)
	local text, bad = plain(raw)
	return unmarked(o, { n = stop - at + 1 }, raw, 0, text, bad)
end

local function next_stx(o, s, at)
	if s:byte(at) ~= 2 then
		local stop = s:find("\2", at, true)
		local n = (stop or #s + 1) - at
		return { n = n, label = n .. " bytes that belong to no frame", info = n .. " bytes of garbage", wrong = "they stand outside of STX and ETX", fields = { { frame.f.garbage, 0, n } } }
	end
	local i, out = at + 1, {}
	while i <= #s do
		local b = s:byte(i)
		if b == 3 then
			return unmarked(o, { n = i - at + 1 }, s:sub(at + 1, i - 1), 1, table.concat(out))
		end
		if b == 16 then
			i = i + 1
			if i > #s then return nil end
		end
		out[#out + 1] = s:sub(i, i)
		i = i + 1
	end
	return nil
end

-- measured shows a frame of n bytes at index at, whose head is of so many.
local function measured(o, s, at, n, head, size, where, width)
	local f, check = {}, check_of(o)
	local magic, tail = magic_of(o), check and check.n or 0
	if #magic > 0 then f[#f + 1] = { frame.f.magic, 0, #magic } end
	if head > 0 then f[#f + 1] = { frame.f.head, 0, head } end
	if size then f[#f + 1] = { frame.f.size, where, width, UInt64(size % 4294967296, math.floor(size / 4294967296)) } end
	local item = { n = n }
	local body = s:sub(at + head, at + n - 1 - tail)
	if check and n >= head + tail then
		f[#f + 1] = { frame.f.check, n - tail, tail }
		if n <= SUMMED then
			local over = o.over == "payload" and body or s:sub(at, at + n - 1 - tail)
			local good = is_good(check, over, s:sub(at + n - tail, at + n - 1))
			f[#f + 1] = { frame.f.good, n - tail, tail, good, generated = true }
			if not good then item.wrong = "the check is wrong" end
		end
	elseif check then
		item.wrong = "it is too short for its check"
	end
	item.fields = joined(f, data(frame, body, head))
	item.info = shown(body)
	item.label = item.info
	return item
end

-- lost skips to the next magic.
local function lost(o, s, at, why)
	local magic = magic_of(o)
	local stop = #magic > 0 and s:find(magic, at + 1, true)
	local n = (stop or #s + 1) - at
	return { n = n, label = n .. " bytes that belong to no frame", info = n .. " bytes of garbage", wrong = why, fields = { { frame.f.garbage, 0, n } } }
end

function frame.next(c, s, at)
	local o, have = c.o, #s - at + 1
	if c.me.rest then return piece(frame, c, s, at) end
	for kind in pairs(marks) do
		if o[kind] then return next_mark(kind, o, s, at) end
	end
	if o.stx then return next_stx(o, s, at) end
	local magic = magic_of(o)
	if #magic > 0 and s:sub(at, at + #magic - 1) ~= magic then
		if have < #magic and magic:sub(1, have) == s:sub(at) then return nil, #magic - have end
		return lost(o, s, at, "the magic is missing")
	end
	if o.fixed then
		local n = tonumber(o.fixed) or 1
		if have < n then return nil, n - have end
		return measured(o, s, at, n, #magic)
	end
	if not o.size then
		return { n = have, label = have .. " bytes", info = "say the form of a frame in the preferences of parley_frame" }
	end
	local where = tonumber(o.offset) or #magic
	if have <= where then return nil, where - have + 1 end
	local size, width = size_of(o.size, s, at + where)
	if not size then return nil, width end
	local head = where + width
	local n = head + size + (tonumber(o.adjust) or 0)
	if size < 0 or n < head then return lost(o, s, at, "that size can't be") end
	if n > LARGEST then
		c.me.rest = n
		return piece(frame, c, s, at)
	end
	if have < n then return nil, n - have end
	return measured(o, s, at, n, head, size, where, width)
end

---------------------------------------------------------------- which wire it is

-- named returns the wire and the options of a URL, as tap names its interface.
local function named()
	local place = interface_of()
	local name, query = tostring(place and place.value or ""):match("^(%l+2?)[%l+]*://[^?]*%??(.*)$")
	return wires[name or ""], query
end

-- guessed returns the wire whose conversations begin like this.
local function guessed(tvb, pinfo)
	local s = tvb:raw(0, math.min(tvb:len(), 64))
	if s:find("^ping\n") or s == "pong\n" then return oneline end
	if s:find("^\222\202\254\202\254[\1\17\33\129]") then return serpy2 end
	if s:find("^\1SETMODE[0-5]\31") or s:find("^\1ACKMODCG\31") or s:find("^\1ACKEOT!!\31") then return serpy end
	if s:find("^%*IDN%?[\r\n;]") or pinfo.dst_port == 5025 or pinfo.src_port == 5025 then return scpi end
	local seq = Field and tinyproto.seq()
	if seq and seq.value == 1 and s:byte(1) == 0xFF and (#s == 1 or #s >= 5 and s:byte(2) < 16) then return tinyproto end
	return nil
end
tinyproto.seq = Field.new("tcp.seq")

local parley = Proto("parley", "parley")
parley.prefs.guess = Pref.bool("Find the wires by how conversations begin", true, "In captures that parley tap has not written")

local function recognised(tvb, pinfo, root)
	local w = named() or parley.prefs.guess and guessed(tvb, pinfo)
	if not w then return false end
	pinfo.conversation = w.proto
	dissect(w, tvb, pinfo, root)
	return true
end
parley:register_heuristic("tcp", recognised)

-- A capture of tap says itself what it is: so the port's usual protocol is not asked.
-- This sees the first packet of a conversation before there is anything to dissect.
function parley.dissector(_, pinfo)
	if pinfo.visited or not stream_of() then return end
	local w, query = named()
	if not w then return end
	local f = flow_of(pinfo, query)
	if not f.known then
		f.known = true
		pinfo.conversation = w.proto
	end
end
register_postdissector(parley)

for _, w in pairs(wires) do
	DissectorTable.get("tcp.port"):add_for_decode_as(w.proto)
end
