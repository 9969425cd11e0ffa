// Package browsertest drives the pages of package web/dash, parley.js and a page without a
// library in a real Chromium. It is a module of its own so that nobody who uses the
// door gets the browser's driver.
//
// It needs Chromium (the system's, or the one that PARLEY_CHROMIUM names) and for the
// checks of accessibility the file axe.min.js that PARLEY_AXE names; what it can't find it
// prints as skipped. PARLEY_REQUIRE_BROWSER=1 makes an error of that. PARLEY_SCREENSHOTS
// names a folder for pictures of all pages.
package browsertest
