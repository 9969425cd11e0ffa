// Package dash is the dashboard: pages for people, over what a door (package web) lets them
// reach and what the program's own endpoints tell.
//
// The pages are plain ES modules and one style sheet, embedded as they are; nothing is
// built, and nothing is fetched from elsewhere. They hold under
//
//	default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'
//
// uPlot 1.6.32 (MIT, files/uplot.LICENSE) draws the plots.
package dash

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"slices"
	"strings"
)

//go:embed files
var files embed.FS

// Page is one of the dashboard's.
type Page string

const (
	Overview    Page = "overview"
	Connections Page = "connections" // wants /connz, or a door with rooms
	Messages    Page = "messages"    // wants a door
	Plot        Page = "plot"        // wants a door
	Camera      Page = "camera"      // wants a door
	Console     Page = "console"     // wants a door with something to talk to
	Recordings  Page = "recordings"  // wants /sessions, /found and /export
	Transfers   Page = "transfers"   // wants /transfers and /cancel
	Rooms       Page = "rooms"       // wants a door with rooms
)

// Info says what there is behind the pages.
type Info struct {
	Version string `json:"version"`
	Pages   []Page `json:"pages"`   // in this order
	Door    bool   `json:"door"`    // a door's Handler is beside the pages
	Servers bool   `json:"servers"` // /statz and /connz tell of servers
	Close   bool   `json:"close"`   // /close ends connections for whoever asks
}

// Handler serves the pages: / and what is below /dash/, and /info, which tells them what there
// is. It sets the headers that keep them to themselves.
func Handler(info Info) http.Handler {
	sub, err := fs.Sub(files, "files")
	if err != nil {
		panic(err) // the folder is embedded
	}
	if info.Pages == nil {
		info.Pages = []Page{}
	}
	told, err := json.Marshal(info)
	if err != nil {
		panic(err) // there is nothing in it that JSON can't have
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, sub, "index.html")
	})
	assets := http.StripPrefix("/dash/", http.FileServerFS(sub))
	mux.HandleFunc("GET /dash/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") || strings.HasSuffix(r.URL.Path, ".html") {
			http.NotFound(w, r) // there is no list, and the page is at /
			return
		}
		assets.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /info", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(append(slices.Clip(told), '\n'))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache") // a new program has new pages
		mux.ServeHTTP(w, r)
	})
}

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
