package web_test

import (
	"net/http"
	"testing"

	"github.com/parley-net/parley/web"
)

// Verifies: WEB-24
func TestPreflight(t *testing.T) {
	token, anna := web.NewToken("anna", web.Grant{"*": web.Read})
	h := build(t, web.Options{Origins: []string{"https://lab.example"}, Users: web.Users{anna}})
	ask := func(method, origin string, header ...string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, h.url+"/ticket", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	wants := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"}
	for _, origin := range []string{"https://lab.example", h.url} {
		res := ask("OPTIONS", origin, wants...)
		if got := res.Header; res.StatusCode != http.StatusNoContent || got.Get("Access-Control-Allow-Origin") != origin ||
			got.Get("Access-Control-Allow-Methods") != "POST" || got.Get("Access-Control-Allow-Headers") != "authorization, content-type" ||
			got.Get("Access-Control-Allow-Credentials") != "" || got.Get("Access-Control-Allow-Private-Network") != "" {
			t.Errorf("%s: %s %v", origin, res.Status, got)
		}
		res = ask("POST", origin, "Authorization", "Bearer "+token)
		if res.StatusCode != http.StatusOK || res.Header.Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("%s: the ticket: %s %v", origin, res.Status, res.Header)
		}
	}
	if res := ask("OPTIONS", "https://lab.example", append(wants, "Access-Control-Request-Private-Network", "true")...); res.Header.Get("Access-Control-Allow-Private-Network") != "true" {
		t.Errorf("from a public site: %v", res.Header)
	}
	for _, origin := range []string{"https://evil.example", "http://lab.example", "https://lab.example:444", "null", ""} {
		res := ask("OPTIONS", origin, wants...)
		if res.StatusCode != http.StatusForbidden || res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%q: %s %v", origin, res.Status, res.Header)
		}
	}
}
