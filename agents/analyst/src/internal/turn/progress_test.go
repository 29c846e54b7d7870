package turn

import (
	"strings"
	"testing"
	"time"

	"aion.dev/agents/analyst/internal/profile"
)

func TestProgressIsToldAtMostOnceASecond(t *testing.T) {
	n := newNode(nil)
	now := time.Unix(0, 0)
	p := progress{caller: n, name: "big.csv", now: func() time.Time { return now }}
	p.begin(profile.Learning)
	for i := range int64(100) {
		now = now.Add(100 * time.Millisecond)
		p.heard(i+1, 100)
	}
	if len(n.said) != 11 || !strings.HasSuffix(n.said[10], "(100 %)") || !strings.HasSuffix(n.said[1], "(10 %)") {
		t.Errorf("%q", n.said)
	}
}

func TestWhatIsLeftOutIsANotice(t *testing.T) {
	n := newNode(map[string]string{"input/a.csv": "name,kg\nx,1\ny,2,3\nz,3\nu,4\nv,lost\n" + strings.Repeat("w,5\n", 20)})
	if err := run(t, n, "", "a.csv"); err != nil {
		t.Fatal(err)
	}
	want := "not all of a.csv is in the figures: 1 row has more cells than there are columns (first on line 3): what is beyond the last " +
		"column was not read; kg: 1 cell is no number (line 6: \"lost\"): left out"
	if len(n.left) != 1 || n.left[0] != want {
		t.Errorf("left out %q, want %q", n.left, want)
	}
}
