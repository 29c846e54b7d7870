package profile

import (
	"sort"
	"strings"

	"aion.dev/agents/analyst/internal/word"
)

const (
	maxDistinct = 100_000 // distinct values counted for one column
	maxTop      = 1_000   // distinct values whose frequencies are kept
	topShown    = 10
	maxLabel    = 200 // bytes of a value kept as it is
	// All columns together; a table of very many counts fewer in each.
	allDistinct = 4_000_000
	allTop      = 100_000
)

// tally counts the distinct values of one column, and how often each occurs while they are few. Open addressing with
// linear probing in tables of a power of two; a hash of zero is an empty place.
type tally struct {
	distinct, most, top int
	capped              bool
	hashes              []uint64
	// While there are few: what has the hash in the same place, and how often it occurs.
	labels []string
	counts []int64
	// dull are those that are no number, date, time or truth value: nothing but text.
	dull []bool
}

func newTally(columns int) tally {
	return tally{
		most: min(maxDistinct, allDistinct/max(1, columns)), top: min(maxTop, allTop/max(1, columns)),
		hashes: make([]uint64, 64), labels: make([]string, 64), counts: make([]int64, 64), dull: make([]bool, 64),
	}
}

// add counts one value. It says whether the value was met before and is dull, and gives its hash.
func (t *tally) add(text string) (hash uint64, dull bool) {
	if t.capped {
		return 0, false
	}
	hash = word.Hash(text)
	mask := uint64(len(t.hashes) - 1)
	at := hash & mask
	for t.hashes[at] != hash {
		if t.hashes[at] == 0 {
			t.enter(hash, text)
			return hash, false
		}
		at = (at + 1) & mask
	}
	if t.counts == nil {
		return hash, false
	}
	// 64 bits: among a hundred thousand values two share a hash once in four billion files.
	t.counts[at]++
	return hash, t.dull[at]
}

// again counts a value that was counted before, by its hash.
func (t *tally) again(hash uint64) {
	if t.counts != nil {
		t.counts[t.place(hash)]++
	}
}

// enter makes a place for a new value.
func (t *tally) enter(hash uint64, text string) {
	if t.distinct == t.most {
		t.capped = true
	}
	if t.capped || t.distinct == t.top {
		t.labels, t.counts, t.dull = nil, nil, nil
	}
	if t.capped {
		return
	}
	t.distinct++
	if 2*t.distinct > len(t.hashes) {
		t.grow()
	}
	at := t.place(hash)
	t.hashes[at] = hash
	if t.counts != nil {
		t.labels[at], t.counts[at] = clip(text), 1
	}
}

// bore notes that a value is dull.
func (t *tally) bore(hash uint64) {
	if t.dull != nil && hash != 0 {
		t.dull[t.place(hash)] = true
	}
}

// place is where a hash is, or may be put.
func (t *tally) place(hash uint64) uint64 {
	mask := uint64(len(t.hashes) - 1)
	at := hash & mask
	for t.hashes[at] != 0 && t.hashes[at] != hash {
		at = (at + 1) & mask
	}
	return at
}

func (t *tally) grow() {
	hashes, labels, counts, dull := t.hashes, t.labels, t.counts, t.dull
	t.hashes = make([]uint64, 4*len(hashes))
	if labels != nil {
		t.labels, t.counts, t.dull = make([]string, len(t.hashes)), make([]int64, len(t.hashes)), make([]bool, len(t.hashes))
	}
	for i, hash := range hashes {
		if hash == 0 {
			continue
		}
		at := t.place(hash)
		t.hashes[at] = hash
		if labels != nil {
			t.labels[at], t.counts[at], t.dull[at] = labels[i], counts[i], dull[i]
		}
	}
}

// frequencies are the most frequent values; none where there are too many to count each.
func (t *tally) frequencies() []Frequency {
	all := make([]Frequency, 0, len(t.labels))
	for i, count := range t.counts {
		if count > 0 {
			all = append(all, Frequency{t.labels[i], count})
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].Count != all[j].Count {
			return all[i].Count > all[j].Count
		}
		return all[i].Value < all[j].Value
	})
	return all[:min(len(all), topShown)]
}

// clip is a text of its own, cut off where it is long.
func clip(text string) string {
	if len(text) <= maxLabel {
		return strings.Clone(text)
	}
	return strings.ToValidUTF8(text[:maxLabel], "") + "…"
}
