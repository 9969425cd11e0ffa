package bus

import (
	"context"
	"io"
	"time"
)

// Bus is a connection to the others. All methods may be called concurrently.
type Bus interface {
	// Publish gives data to everybody who subscribes to subject. It does not wait
	// for them. data is not kept when Publish has returned. A message above
	// MaxPayload is ErrTooLarge.
	Publish(ctx context.Context, subject string, data []byte) error

	// Subscribe calls fn for each message to subject, one at a time, in the order in
	// which they arrive, on a goroutine of the subscription's own.
	Subscribe(subject string, o SubscribeOptions, fn func(Message)) (Subscription, error)

	// Request publishes a question and returns the first answer. Nobody who
	// subscribes to subject is ErrNoResponder, at once. It is never sent twice: an
	// error of ctx says that it may have arrived.
	Request(ctx context.Context, subject string, data []byte) ([]byte, error)

	// Bucket opens the values named name, which it makes if there are none.
	Bucket(ctx context.Context, name string, o BucketOptions) (Bucket, error)

	// Log opens the log named name, which it makes if there is none.
	Log(ctx context.Context, name string, o LogOptions) (Log, error)

	// Objects opens the objects named name, which it makes if there are none.
	Objects(ctx context.Context, name string, o ObjectsOptions) (Objects, error)

	// MaxPayload is the largest message in bytes.
	MaxPayload() int

	// Status tells whether the bus is there. Changed is closed when that changes.
	Status() Status

	// Close ends the subscriptions and the connection. What was published before
	// has left.
	Close() error
}

// Message is what a subscriber gets. Data belongs to all subscribers together and
// must not be changed; it may be kept.
type Message struct {
	Subject string
	Data    []byte
	// Respond answers a request; nil for a message that is none. Only the first
	// answer counts.
	Respond func(data []byte) error
}

// SubscribeOptions bound what waits for a subscriber. Zero means the default.
type SubscribeOptions struct {
	Messages int   // how many; 4,096
	Bytes    int64 // their size together; 64 MiB
	// Latest drops the oldest when that is full, so that a slow subscriber sees
	// fewer messages, not late ones. Otherwise the newest is dropped.
	Latest bool
}

// Subscription is a subscriber's handle.
type Subscription interface {
	// Dropped counts the messages that were lost because fn was too slow.
	Dropped() uint64
	// Close ends it. fn may still be running when Close returns; it is not called
	// again.
	Close() error
	// Drain ends it too, and fn is still called with what has come before, so that who has
	// asked gets an answer. It does not wait for that. A bus that is away can't: then it is Close.
	Drain() error
}

// Status is the state of a bus.
type Status struct {
	Up      bool
	Since   time.Time
	Err     error           // why it is down, if that is known
	Server  string          // what it is connected to, for people
	Changed <-chan struct{} // closed when this is no longer true
}

// BucketOptions are those of a bucket that is made. Who opens one that exists gets it
// as it is.
type BucketOptions struct {
	// TTL is how long a value stays when nobody writes it again; 0: for ever. Those
	// who watch are told of its end.
	TTL time.Duration
}

// Bucket is a set of small values, each with a revision that grows with each
// change in the bucket. Keys are tokens joined by dots.
type Bucket interface {
	// Get returns the value of key, or ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)
	// Put writes it, whatever was there, and returns the new revision.
	Put(ctx context.Context, key string, value []byte) (uint64, error)
	// Create writes it if there is none, else it is ErrConflict.
	Create(ctx context.Context, key string, value []byte) (uint64, error)
	// Update writes it if its revision is still rev, else it is ErrConflict. The
	// value's age begins anew.
	Update(ctx context.Context, key string, value []byte, rev uint64) (uint64, error)
	// Delete removes it if its revision is still rev, else it is ErrConflict; with rev
	// 0 whatever it is. A key that is not there is no error with rev 0.
	Delete(ctx context.Context, key string, rev uint64) error
	// List returns all values, in the order of their keys.
	List(ctx context.Context) ([]Entry, error)
	// Watch calls fn for each value there is, then once with OpCurrent, then for each
	// change until ctx ends or the bus is closed; a change that is followed by another at
	// once may be left out, never the last one. It returns when the first call can be
	// expected; fn is called by one goroutine.
	Watch(ctx context.Context, fn func(Entry)) error
}

// Entry is a value of a Bucket, or its end.
type Entry struct {
	Key      string
	Value    []byte // must not be changed
	Revision uint64
	Op       Op
}

// Op says what an Entry tells.
type Op uint8

const (
	OpPut     Op = iota // the value is this
	OpGone              // the value was deleted, or its age has ended
	OpCurrent           // all there was when Watch began has been told
)

// String returns the operation's name.
func (op Op) String() string {
	return [...]string{"put", "gone", "current"}[op]
}

// LogOptions are those of a log that is made. Who opens one that exists gets it as it
// is. Zero means no bound.
type LogOptions struct {
	Subjects []string      // what may be appended, wildcards allowed; none: any
	MaxAge   time.Duration // older entries go
	MaxBytes int64         // beyond it, Append fails with ErrFull
	Replicas int           // how many machines keep it; 0: one
	// Queue: an entry goes when it was consumed; the log has one consumer.
	Queue bool
	// Here: this machine alone keeps it, so that it is there while the others are not. It is
	// ErrNotFound where this machine keeps nothing apart from the others.
	Here bool
}

// Log is a sequence of entries that are kept.
type Log interface {
	// Append adds an entry and calls done, from any goroutine, when it is safe, or has
	// failed: after that call an entry without error survives the end of any process.
	// An id that the log has already is not added again, and is no error. Append waits
	// while too many are under way, so it bounds what can be lost; data is not kept.
	Append(ctx context.Context, subject, id string, data []byte, done func(seq uint64, err error)) error
	// Consume calls fn with the entries that the consumer of this name has not
	// acknowledged yet, in order, one or as many as are there, and then with new ones, until ctx
	// ends. The first kept of them are acknowledged; the others come again, within a second. An
	// entry may come twice. A log that is not there any more is ErrNotFound: then it can be
	// opened again.
	Consume(ctx context.Context, consumer string, fn func([]LogEntry) (kept int)) error
	// Read calls fn for each entry from seq on that is there now, in order, until fn
	// returns an error, which Read returns.
	Read(ctx context.Context, seq uint64, fn func(LogEntry) error) error
}

// LogEntry is one entry of a Log.
type LogEntry struct {
	Seq     uint64
	Subject string
	ID      string
	Time    time.Time
	Data    []byte // belongs to fn
	// Again: an earlier Consume, here or elsewhere, may have shown it to one that did not come to
	// acknowledge it. Whoever keeps entries may have it from then.
	Again bool
}

// ObjectsOptions are those of objects that are made.
type ObjectsOptions struct {
	TTL      time.Duration // how long an object stays; 0: for ever
	MaxBytes int64         // of all together; 0: no bound
}

// Objects are byte strings of any size, each with a name.
type Objects interface {
	// Put stores what r has, in place of what had the name.
	Put(ctx context.Context, name string, r io.Reader) (size int64, err error)
	// Get returns the object, or ErrNotFound. A damaged one is an error at its end.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// Delete removes it; one that is not there is no error.
	Delete(ctx context.Context, name string) error
}
