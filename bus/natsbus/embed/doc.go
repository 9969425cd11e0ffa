// Package embed brings NATS along in this process, so that parley servers on several
// machines need nothing else: a hub that others join, one that joins it, or one of three
// that keep everything three times.
//
//	s, err := embed.Start(ctx, embed.Options{Hub: ":7422", Dir: "data", Secret: secret})
//	b, err := s.Connect(ctx)
//
// The only port that is open to others is the hub's, or that between the three. It takes TLS 1.3
// with a certificate on either side, both made of one secret: whoever has the secret
// belongs to them, and nobody else is heard.
package embed
