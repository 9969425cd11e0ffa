package device

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-net/parley/wire"
)

// example returns a session of a device of examples/replies.
func example(t *testing.T, name string) *Session {
	t.Helper()
	path := filepath.Join("../../../../examples/replies", name+".toml")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	more := func(kind, value string) (wire.Message, error) {
		if kind == "b64" {
			data, err := base64.StdEncoding.DecodeString(value)
			return wire.Bytes(data), err
		}
		return typed(kind, value)
	}
	def, err := Read(Source{Path: path, Content: b, Typed: more})
	if err != nil {
		t.Fatal(err)
	}
	return New(def, Config{Seed: 1, Began: epoch, Typed: more}).Session()
}

// like asks what stands before each " => " and compares what is answered with
// a pattern, and the error queue stays empty.
func like(t *testing.T, s *Session, lines string) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		request, want, _ := strings.Cut(strings.TrimSpace(line), " =>")
		if got := s.ask(request); !regexp.MustCompile(`(?s)^(?:` + strings.TrimSpace(want) + `)$`).MatchString(got) {
			t.Errorf("%s => %.200q, want %s", request, got, strings.TrimSpace(want))
		}
		if !strings.Contains(request, "ERR?") {
			if got := s.ask("SYST:ERR?"); got != `0,"No error"` {
				t.Errorf("%s: %s", request, got)
			}
		}
	}
}

// data returns the data of a block that an answer is.
func data(t *testing.T, s *Session, request string) string {
	t.Helper()
	got := s.ask(request)
	d, end, ok := block(got)
	if !ok || end != len(got) {
		t.Fatalf("%s => %.100q, no block", request, got)
	}
	return d
}

func TestPowerSupply(t *testing.T) {
	s := example(t, "power-supply")
	like(t, s, `
		*IDN? => KEYSIGHT TECHNOLOGIES,E36312A,.*
		VOLT 5, (@1);VOLT? (@1) => \+5\.00000000E\+00
		CURR 1 A,(@1,2);:CURR? (@1:3) => \+1\.0+E\+00,\+1\.0+E\+00,\+1\.0+E-01
		MEAS:VOLT? (@1) => \+0\.00000000E\+00
		OUTP 1, (@1);OUTP? (@1,2) => 1,0
		MEAS:VOLT? (@1) => \+(4\.99|5\.00)\d+E\+00
		MEASure:CURRent? (@1) => \+(4\.99|5\.00)\d+E-02
		INST:NSEL 2;:VOLT 25;VOLT?;VOLT? MAX => \+2\.50+E\+01;\+2\.5750+E\+01
		VOLT? MAX,(@1) => \+6\.180+E\+00
		OUTP ON;:MEAS:CURR?;VOLT? => \+2\.\d+E-01;\+2\.\d+E\+01
		*RST;OUTP? (@1:3);*OPT? => 0,0,0;0
	`)
	talk(t, s, `
		VOLT 10,(@1) =>
		SYST:ERR? => -222,"Data out of range"
	`)
}

func TestMultimeter(t *testing.T) {
	s := example(t, "multimeter")
	like(t, s, `
		MEAS:VOLT:DC? DEF,DEF => \+1\.2[45]\d+E\+00
		MEAS? => \+1\.2[45]\d+E\+00
		MEAS:RES?;:MEAS:FRES? => \+4\.[67]\d+E\+03;\+4\.[67]\d+E\+03
		FUNC "VOLT:AC";FUNC? => "VOLT:AC"
		FUNC 'RESISTANCE';FUNC?;READ? => "RES";\+4\.[67]\d+E\+03
		SAMP:COUN 3;:TRIG:COUN 2;:READ? => (\+4\.[67]\d+E\+03,){5}\+4\.[67]\d+E\+03
		VOLT:NPLC 0.2;NPLC?;NPLC MIN;NPLC? => \+2\.0+E-01;\+2\.0+E-02
		VOLT:RANG:AUTO OFF;AUTO?;:VOLT:RANG 100 mV;RANG? => 0;\+1\.0+E-01
		DISP:TEXT "it's me";TEXT? => "it's me"
		SYST:VERS?;*TST?;:ROUT:TERM? => 1999\.0;0;FRON
	`)
}

func TestOscilloscope(t *testing.T) {
	s := example(t, "oscilloscope")
	like(t, s, `
		:waveform:points 500;:waveform:format ascii;:waveform:source CHAN1 =>
		:waveform:preamble? => \+4,\+0,\+500,\+1,(.+,){5}\+128
		:channel1:scale 0.5;scale?;:CHAN2:SCAL? => \+5\.00E-01;\+1\.00E\+00
		:channel2? => :CHAN2:RANG \+8\.00E\+00;OFFS .*;STYP SING
		:TIMebase:REFerence CENTer;:TIMebase:POSition 0.001;POS? => \+1\.0+E-03
	`)
	points := strings.Split(data(t, s, ":waveform:data?"), ",")
	least, most := 0.0, 0.0
	for _, p := range points {
		f, err := strconv.ParseFloat(p, 64)
		if err != nil {
			t.Fatal(err)
		}
		least, most = min(least, f), max(most, f)
	}
	if len(points) != 500 || least > -1.9 || most < 1.9 || most > 2.2 {
		t.Errorf("%d points from %v to %v, want 500 of a sine of 2 V", len(points), least, most)
	}
	s.ask(":WAV:FORM WORD")
	if d := data(t, s, ":WAV:DATA?"); len(d) != 1000 {
		t.Errorf("%d bytes, want 500 words", len(d))
	}
	if _, err := png.Decode(strings.NewReader(data(t, s, ":DISPlay:DATA? png, color"))); err != nil {
		t.Error("the screen:", err)
	}
	s.ask(":SYST:SET #15a\n;#\"")
	if d := data(t, s, ":SYST:SET?"); d != "a\n;#\"" {
		t.Errorf("setup %q", d)
	}
	like(t, s, "*OPC? => 1")
}

func TestCamera(t *testing.T) {
	s := example(t, "camera")
	like(t, s, "EXP 20 ms;EXP?;:IMAG:SIZE?;COUN? => 0\\.020000;64,48;0")
	frame := data(t, s, "IMAGe:DATA?")
	brightest := uint16(0)
	for i := 0; i < len(frame); i += 2 {
		brightest = max(brightest, binary.LittleEndian.Uint16([]byte(frame[i:])))
	}
	if len(frame) != 64*48*2 || brightest < 2000 || brightest > 4095 {
		t.Errorf("%d bytes, the brightest pixel %d", len(frame), brightest)
	}
	r := s.Answer(wire.Text("FRAM?"), epoch)
	if b := r.Answers[0].Message; b.Type() != wire.TypeBytes || len(b.Bytes()) != 64*48*2 || bytes.Equal(b.Bytes(), []byte(frame)) {
		t.Error("a frame by itself is no other one of bytes")
	}
}

func TestOldExample(t *testing.T) {
	s := example(t, "scpi")
	talk(t, s, `
		*IDN? => PARLEY,PSU-1,0001,1.0
		volt 3.3 =>
		VOLTAGE? => 3.3
		BOGUS =>
		SYST:ERR? => -113,"Undefined header"
	`)
}
