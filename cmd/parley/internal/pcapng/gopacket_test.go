//go:build gopacket

package pcapng

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/parley-net/parley/cmd/parley/internal/pcapng/pcapngtest"
)

// A reader that is not ours must find the same packets.
func TestGopacket(t *testing.T) {
	file, want := sample(t)
	ours, _ := pcapngtest.Read(t, file)
	r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	if r.LinkType() != layers.LinkTypeRaw || r.SectionInfo().Application != "parley test" {
		t.Errorf("link type %v, section %+v", r.LinkType(), r.SectionInfo())
	}
	if i, err := r.Interface(0); err != nil || i.Name != "oneline://127.0.0.1:5001" {
		t.Errorf("interface %+v, error %v", i, err)
	}
	got := make(map[string]string)
	for n := 0; ; n++ {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			if n != len(ours) {
				t.Errorf("%d packets, want %d", n, len(ours))
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(data, layers.LinkTypeRaw, gopacket.Default)
		if e := p.ErrorLayer(); e != nil {
			t.Fatalf("packet %d: %v", n, e.Error())
		}
		tcp, ok := p.TransportLayer().(*layers.TCP)
		if !ok {
			t.Fatalf("packet %d has no TCP: %v", n, p)
		}
		if err := tcp.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
			t.Fatal(err)
		}
		if err, wrong := p.VerifyChecksums(); err != nil || len(wrong) > 0 {
			t.Errorf("packet %d: checksums %v, %v", n, wrong, err)
		}
		if o := ours[n]; !info.Timestamp.UTC().Equal(o.Time) || tcp.Seq != o.Seq || !bytes.Equal(tcp.LayerPayload(), o.Payload) ||
			tcp.SYN != (o.Flags&flagSYN != 0) || tcp.FIN != (o.Flags&flagFIN != 0) || tcp.RST != (o.Flags&flagRST != 0) {
			t.Errorf("packet %d is %v at %v, want %+v", n, tcp, info.Timestamp.Format(time.RFC3339Nano), o)
		}
		got[ours[n].Flow()] += string(tcp.LayerPayload())
	}
	for flow, stream := range want {
		if got[flow] != stream {
			t.Errorf("%s: %d bytes, want %d, or they differ", flow, len(got[flow]), len(stream))
		}
	}
}
