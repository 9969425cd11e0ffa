package transfer

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncsTogether: files are brought to the disk together, by syncAll.
const syncsTogether = true

// syncAll brings all files of the file system of root to the disk.
func syncAll(root *os.Root) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
}
