package queue

// Together returns how many of n values that wait go together, from the first: at most
// most, and of at most bytes as size tells them, but one in any case. total is their size.
func Together(n int, size func(i int) int, most, bytes int) (count, total int) {
	for count < min(n, most) && (count == 0 || total+size(count) <= bytes) {
		total += size(count)
		count++
	}
	return count, total
}
