package app

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// CompleteURL completes the first argument: protocols, and the addresses of
// the profiles.
func (a *App) CompleteURL(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.urls(begun)
}

// CompleteURLs completes every argument so.
func (a *App) CompleteURLs(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return a.urls(begun)
}

func (a *App) urls(begun string) ([]string, cobra.ShellCompDirective) {
	var urls []string
	if c, err := a.ReadConfig(); err == nil {
		for _, name := range slices.Sorted(maps.Keys(c.Profile)) {
			if url, ok := c.Profile[name]["url"].(string); ok {
				urls = append(urls, url+"\tprofile "+name)
			}
		}
	}
	for _, name := range endpoint.Names() {
		urls = append(urls, name+"://", name+"+tls://", name+"+unix:///")
	}
	urls = slices.DeleteFunc(urls, func(u string) bool { return !strings.HasPrefix(u, begun) })
	return urls, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// Profiles completes the name of a profile.
func (a *App) Profiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	c, err := a.ReadConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return slices.Sorted(maps.Keys(c.Profile)), cobra.ShellCompDirectiveNoFileComp
}

// CompleteFlagURL completes a flag that is a URL.
func (a *App) CompleteFlagURL(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return a.urls(begun)
}
