// Package result is what one measurement of the benchmark yields.
package result

// Report is what one run of a generator prints; absent figures are left out of the JSON.
type Report struct {
	Mode       string  `json:"mode"`
	Wire       string  `json:"wire,omitempty"`
	Conns      int     `json:"conns"`
	Depth      int     `json:"depth,omitempty"`
	Size       int     `json:"size,omitempty"`
	Rate       int     `json:"rate,omitempty"`
	Seconds    float64 `json:"seconds"`
	Msgs       int64   `json:"msgs,omitempty"`
	MsgsPerSec float64 `json:"msgs_per_sec,omitempty"`
	GBPerSec   float64 `json:"gb_per_sec,omitempty"`
	P50us      float64 `json:"p50_us,omitempty"`
	P99us      float64 `json:"p99_us,omitempty"`
	P999us     float64 `json:"p999_us,omitempty"`
	MaxUs      float64 `json:"max_us,omitempty"`
	CPUNsMsg   float64 `json:"server_cpu_ns_per_msg,omitempty"`
	GenNsMsg   float64 `json:"client_cpu_ns_per_msg,omitempty"`
	CPUSecGB   float64 `json:"server_cpu_s_per_gb,omitempty"`
	ServerUtil float64 `json:"server_util,omitempty"`
	ClientUtil float64 `json:"client_util,omitempty"`
	OtherUtil  float64 `json:"other_util"` // cores used by neither, or taken by the host
	RSSMiB     float64 `json:"server_rss_mib,omitempty"`
	// Idle mode: server memory per connection, in bytes.
	RSSConnected float64 `json:"rss_per_conn_connected,omitempty"`
	RSSUsed      float64 `json:"rss_per_conn_after_one_msg,omitempty"`
	RSSSettled   float64 `json:"rss_per_conn_settled,omitempty"`
	// Fan mode: messages the server left out for connections that do read.
	Missed int64 `json:"missed,omitempty"`
}
