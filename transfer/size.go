package transfer

import "context"

// Size asks the server for the size in bytes of the file that it calls remote:
// it requests the file and declines it. A *RejectedError says that the server
// does not give it, in most cases because there is none. An original server
// does not answer at all when remote is a folder; ctx bounds the wait.
func (cl *Client) Size(ctx context.Context, remote string) (int64, error) {
	if err := cl.reserve(ctx); err != nil {
		return 0, err
	}
	defer cl.mu.Unlock()
	var size int64
	err := cl.run(ctx, Transfer{Path: remote, Size: -1}, func(k *task) error {
		if err := k.send(typeDownload, field{keySource, remote}); err != nil {
			return err
		}
		l, err := k.answer()
		if err != nil {
			return err
		}
		if l.kind != typeOffer {
			return k.declined(l)
		}
		if size, err = l.count(keySize); err != nil {
			return k.refuse(err)
		}
		k.settled = true
		return reject(ctx, cl.Conn, "only the size was asked for")
	})
	return size, err
}
