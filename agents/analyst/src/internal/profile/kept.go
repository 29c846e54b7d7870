package profile

import "aion.dev/agents/analyst/internal/csvfile"

// maxKept is how many numbers are kept between measuring and locating: 48 MB of them. Tests set it.
var maxKept = 6_000_000

// kept are the blocks that were measured: where there is room for all of them the file is not read again.
type kept struct {
	all    bool // nothing was left out
	count  int
	blocks []block
}

// add keeps one block, or gives up all of them.
func (k *kept) add(b block) bool {
	if !k.all {
		return false
	}
	if k.count += len(b.lines) * (len(b.values) + 2); k.count > maxKept {
		*k = kept{}
		return false
	}
	k.blocks = append(k.blocks, b)
	return true
}

// located calls visit for all rows, a block at a time: from what was kept, or from the file.
func (t *Table) located(rows *csvfile.Rows, visit func(block)) error {
	if t.kept.all {
		for _, b := range t.kept.blocks {
			visit(b)
		}
		t.kept = kept{}
		return nil
	}
	m := newMeasuring(t.plan())
	m.full = func(b *block) {
		visit(*b)
		b.clear()
	}
	return t.blocks(rows, m)
}
