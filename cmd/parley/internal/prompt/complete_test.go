package prompt

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCommon(t *testing.T) {
	for _, test := range []struct {
		all  []string
		want string
	}{
		{nil, ""},
		{[]string{"one"}, "one"},
		{[]string{"int:", "inf"}, "in"},
		{[]string{"äö", "äü"}, "ä"},
		{[]string{"ab", "a"}, "a"},
		{[]string{"a", "b"}, ""},
	} {
		if got := common(test.all); got != test.want {
			t.Errorf("%q: got %q, want %q", test.all, got, test.want)
		}
	}
}

func TestColumns(t *testing.T) {
	for _, test := range []struct {
		choices     []string
		begun, want string
	}{
		{[]string{"/help", "/hex"}, "/he", "/help  /hex\n"},
		{[]string{"/mode 0", "/mode 1"}, "/mode ", "0  1\n"},
		{[]string{"@dir/a", "@dir/b/"}, "@dir/", "a  b/\n"},
		{[]string{strings.Repeat("x", 50), strings.Repeat("y", 50)}, "", strings.Repeat("x", 50) + "\n" + strings.Repeat("y", 50) + "\n"},
	} {
		if got := string(columns(test.choices, test.begun)); got != test.want {
			t.Errorf("%q: got %q, want %q", test.choices, got, test.want)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir() + string(filepath.Separator)
	for _, name := range []string{"photo.jpg", "photo.png", ".hidden", "a\x1bb"} {
		if err := os.WriteFile(dir+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir+"photos", 0o700); err != nil {
		t.Fatal(err)
	}
	for begun, want := range map[string][]string{
		"ph":       {"photo.jpg", "photo.png", "photos" + string(filepath.Separator)},
		"photo.":   {"photo.jpg", "photo.png"},
		"":         {"photo.jpg", "photo.png", "photos" + string(filepath.Separator)},
		".h":       {".hidden"},
		"x":        nil,
		"photos/x": nil,
		"none/x":   nil,
	} {
		var got []string
		for _, path := range Files(dir + begun) {
			got = append(got, strings.TrimPrefix(path, dir))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", begun, got, want)
		}
	}
	t.Chdir(dir)
	if got, want := Files("photo.j"), []string{"photo.jpg"}; !slices.Equal(got, want) {
		t.Errorf("in the current folder: got %q, want %q", got, want)
	}
}
