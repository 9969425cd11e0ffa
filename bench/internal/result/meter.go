package result

import "time"

// Meter measures what a server and this process use between two moments.
type Meter struct {
	Began           time.Time
	pid             int
	cpu, own, busy  time.Duration
	wall, used, gen time.Duration
}

// Start begins to measure the process pid; 0 for none.
func Start(pid int) (Meter, error) {
	cpu, err := cpuTime(pid)
	return Meter{pid: pid, cpu: cpu, own: ownCPU(), busy: busyTime(), Began: time.Now()}, err
}

// Stop puts into r what has been used since the start.
func (m *Meter) Stop(r *Report) error {
	m.wall = time.Since(m.Began)
	cpu, err := cpuTime(m.pid)
	m.used, m.gen = cpu-m.cpu, ownCPU()-m.own
	wall := m.wall.Seconds()
	r.Seconds = wall
	r.ServerUtil = m.used.Seconds() / wall
	r.ClientUtil = m.gen.Seconds() / wall
	r.OtherUtil = max(0, (busyTime()-m.busy).Seconds()/wall-r.ServerUtil-r.ClientUtil)
	r.RSSMiB = float64(RSS(m.pid)) / (1 << 20)
	return err
}

// PerMessage puts into r what one of n messages of r.Size bytes has cost.
func (m *Meter) PerMessage(r *Report, n int64) {
	r.Msgs = n
	r.MsgsPerSec = float64(n) / m.wall.Seconds()
	r.GBPerSec = r.MsgsPerSec * float64(r.Size) / 1e9
	r.CPUNsMsg = float64(m.used) / float64(n)
	r.GenNsMsg = float64(m.gen) / float64(n)
	if bytes := float64(n) * float64(r.Size); bytes > 0 {
		r.CPUSecGB = m.used.Seconds() / (bytes / 1e9)
	}
}
