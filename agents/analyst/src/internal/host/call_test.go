package host

import (
	"bytes"
	"io"
	"testing"
)

type answers []string

func (a *answers) Call(string, []byte) (int, []byte, error) {
	answer := (*a)[0]
	*a = (*a)[1:]
	return 200, []byte(answer), nil
}

func TestAFileIsReadHoweverItsAnswerIsWritten(t *testing.T) {
	caller := &answers{
		`{"data":"YQo=","size":6,"modifiedMs":5}`,
		`{"size":6, "data" : "YgpjCg==", "modifiedMs":5}`,
		`{"modifiedMs":5,"data":"","size":6}`,
	}
	got, err := io.ReadAll(OpenFile(caller, FileRef{}))
	if err != nil || !bytes.Equal(got, []byte("a\nb\nc\n")) {
		t.Errorf("%q %v", got, err)
	}
}

func TestAnAnswerThatIsNoFileIsAnError(t *testing.T) {
	for _, answer := range []string{`{"data":"YQ`, `{"data":"%%","size":1}`, `{"data":1,"size":1}`, `[]`} {
		if _, err := io.ReadAll(OpenFile(&answers{answer}, FileRef{})); err == nil {
			t.Errorf("%s is read", answer)
		}
	}
}
