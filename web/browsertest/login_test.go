package browsertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Where there are users a page asks for a token, shows only what it may, and forgets it
// again.
func TestLogIn(t *testing.T) {
	b := browse(t)
	cmd := exec.Command(command(t), "web", "token", "anna", "--scope", "read", "--target", "lab")
	var token strings.Builder
	cmd.Stderr = &token
	line, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, line, 0o600); err != nil {
		t.Fatal(err)
	}
	door := start(t, "web", "--listen", "0", "--room", "lab", "--room", "other", "--users", users)
	b.look(390, 800, "dark")
	b.do(chromedp.Navigate(door.url()))
	b.until(`document.activeElement?.name === "token"`)
	b.picture("login-dark-390")
	findings, _ := b.axe()
	for _, f := range findings {
		t.Error(f)
	}
	for _, e := range b.wrong() {
		t.Error(e)
	}
	b.press(strings.TrimSpace(token.String()))
	b.press(kb.Enter)
	b.until(`document.getElementById("state")?.textContent === "connected as anna"`)
	b.until(`document.body?.innerText.includes("lab") && !document.body.innerText.includes("other")`)
	for _, e := range b.wrong() {
		t.Error(e)
	}
	b.tabTo("Log out <button>")
	b.press(kb.Enter)
	b.until(`document.activeElement?.name === "token"`)
}
