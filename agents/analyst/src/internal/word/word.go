// Package word reads short texts a word at a time: where a jump costs more than arithmetic, bytes one by one are slow.
package word

import "unsafe"

// Load puts a text of at most eight bytes into a word, the first byte lowest and zeros behind the last.
func Load(text string) uint64 {
	start := unsafe.Pointer(unsafe.StringData(text))
	n := len(text)
	switch {
	case n == 8:
		return *(*uint64)(start)
	case n >= 4:
		return uint64(*(*uint32)(start)) | uint64(*(*uint32)(unsafe.Add(start, n-4)))<<(8*(n-4))
	case n == 0:
		return 0
	}
	return uint64(text[0]) | uint64(text[n/2])<<(8*(n/2)) | uint64(text[n-1])<<(8*(n-1))
}

// Hash mixes eight bytes at a time by multiplication with an odd constant, and the result by murmur's finalizer
// (Appleby, MurmurHash3, 2011). It is never zero.
func Hash(text string) uint64 {
	const odd = 0x9e3779b97f4a7c15
	hash := uint64(len(text)) * odd
	for len(text) > 8 {
		hash = (hash ^ Load(text[:8])) * odd
		hash ^= hash >> 29
		text = text[8:]
	}
	hash = (hash ^ Load(text)) * odd
	hash ^= hash >> 33
	hash *= 0xff51afd7ed558ccd
	hash ^= hash >> 33
	hash *= 0xc4ceb9fe1a85ec53
	hash ^= hash >> 33
	return max(hash, 1)
}
