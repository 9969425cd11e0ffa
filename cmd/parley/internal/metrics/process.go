package metrics

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// Process writes what clients of Prometheus tell of every program: go_* and, where the
// system has them, process_*. began is when the program did.
func (w *Writer) Process(began time.Time) {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	threads, _ := runtime.ThreadCreateProfile(nil)
	w.Family("go_info", "gauge", "Information about the Go environment.")
	w.Value("go_info", 1, Label{"version", runtime.Version()})
	w.One("go_goroutines", "gauge", "Number of goroutines that currently exist.", runtime.NumGoroutine())
	w.One("go_threads", "gauge", "Number of OS threads created.", threads)
	w.One("go_gc_cycles_total", "counter", "Garbage collections that have ended.", mem.NumGC)
	w.One("go_gc_pause_seconds_total", "counter", "Time in which the garbage collector has stopped the program.", time.Duration(mem.PauseTotalNs).Seconds())
	w.One("go_memstats_alloc_bytes", "gauge", "Number of bytes allocated and still in use.", mem.Alloc)
	w.One("go_memstats_alloc_bytes_total", "counter", "Total number of bytes allocated, even if freed.", mem.TotalAlloc)
	w.One("go_memstats_sys_bytes", "gauge", "Number of bytes obtained from system.", mem.Sys)
	w.One("go_memstats_heap_alloc_bytes", "gauge", "Number of heap bytes allocated and still in use.", mem.HeapAlloc)
	w.One("go_memstats_heap_inuse_bytes", "gauge", "Number of heap bytes that are in use.", mem.HeapInuse)
	w.One("go_memstats_heap_objects", "gauge", "Number of allocated objects.", mem.HeapObjects)
	w.One("go_memstats_stack_inuse_bytes", "gauge", "Number of bytes in use by the stack allocator.", mem.StackInuse)
	if limit := debug.SetMemoryLimit(-1); limit != 1<<63-1 {
		w.One("go_gc_gomemlimit_bytes", "gauge", "Go runtime memory limit configured by the user.", limit)
	}
	w.One("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", float64(began.UnixMilli())/1000)
	w.proc()
}

// proc writes what Linux tells of the process.
func (w *Writer) proc() {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return
	}
	_, rest, ok := bytes.Cut(stat, []byte(") ")) // the name may have blanks
	fields := bytes.Fields(rest)
	if !ok || len(fields) < 22 {
		return
	}
	number := func(i int) float64 {
		f, _ := strconv.ParseFloat(string(fields[i]), 64)
		return f
	}
	const ticks = 100 // of a second, on every Linux that Go runs on
	w.One("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", (number(11)+number(12))/ticks)
	w.One("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", number(20))
	w.One("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", number(21)*float64(os.Getpagesize()))
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		w.One("process_open_fds", "gauge", "Number of open file descriptors.", len(fds))
	}
	if limits, err := os.ReadFile("/proc/self/limits"); err == nil {
		if _, rest, ok := bytes.Cut(limits, []byte("Max open files")); ok {
			if most, err := strconv.ParseFloat(string(bytes.Fields(rest)[0]), 64); err == nil {
				w.One("process_max_fds", "gauge", "Maximum number of open file descriptors.", most)
			}
		}
	}
}
