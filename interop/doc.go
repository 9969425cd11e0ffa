// Package interop tests parley against the original Python programs, live: an
// original client with a parley server, and a parley client with an original
// server. It holds nothing but tests.
//
// The originals are found in two places:
//
//   - PARLEY_PEERS names a folder with plain clones of their repositories, by
//     these or other names;
//   - PARLEY_PYTHON names the Python interpreter that runs them, by default that
//     of a virtual environment named venv in PARLEY_PEERS, or python3. What pip has
//     installed for it is used too:
//     pip install socket-oneline==0.1.0 tinyproto==2.0.1.
//
// The clones, with the sample programs that are in them:
//
//	git clone https://github.com/cppgent0/socket-oneline
//	git clone https://github.com/Spajderix/tinyproto -b v2.0 tinyproto2
//	git clone https://github.com/Spajderix/tinyproto
//	git clone https://github.com/Spajderix/tpft
//	git clone https://github.com/ArthurLuciani/serpy
//
// An original that is not there is left out; "go test -v" begins with a line
// for each that says where it was found, or why it was left out. PARLEY_REQUIRE
// names originals that may not be missing:
//
//	PARLEY_REQUIRE=oneline,tinyproto2 go test -v ./interop
//
// The tests of frames talk to pymodbus and cobs (of that interpreter), to Netty
// (Debian's libnetty-java, with java) and to tokio-util (with cargo), by small
// programs in the folder peers. PARLEY_REQUIRE_FRAME names those that may not be
// missing: cobs, pymodbus, netty, tokio.
//
// Every original runs in a Python process of its own, behind a driver out of
// the folder peers that does what the test tells it. Processes end with their
// test.
package interop
