package word

import "testing"

func TestEveryByteIsInTheWordOnceAtItsPlace(t *testing.T) {
	text := "\x01\x02\x03\x04\x05\x06\x07\x08"
	want := uint64(0)
	for n := range 9 {
		if got := Load(text[:n]); got != want {
			t.Errorf("%d bytes: %x, want %x", n, got, want)
		}
		want |= uint64(n+1) << (8 * n)
	}
}

func TestTextsThatDifferHaveOtherHashes(t *testing.T) {
	seen := map[uint64]string{}
	for a := range 256 {
		for n := range 20 {
			text := string(append(make([]byte, n), byte(a)))
			if other, met := seen[Hash(text)]; met || Hash(text) == 0 {
				t.Errorf("%q and %q", text, other)
			}
			seen[Hash(text)] = text
		}
	}
}
