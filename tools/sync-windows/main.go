// Says whether Argo CD would sync, for the tests of modelctl's windows: its own code, at given times.
//
// Each line of stdin is a JSON object with a time in seconds ("at", in ascending order), the name of
// an Application ("application") and the sync windows of its project ("windows"). Each line of stdout
// is `true`, `false` or the JSON string of the error.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
)

type question struct {
	At          int64                `json:"at"`
	Application string               `json:"application"`
	Windows     v1alpha1.SyncWindows `json:"windows"`
}

func answer(asked question) any {
	// Argo CD asks for the time itself, twice: here it is the time that synctest has reached.
	time.Sleep(time.Unix(asked.At, 0).Sub(time.Now()))
	for _, window := range asked.Windows {
		if err := window.Validate(); err != nil {
			return err.Error()
		}
	}
	application := v1alpha1.Application{}
	application.Name = asked.Application
	can, err := asked.Windows.Matches(&application).CanSync(false, nil)
	if err != nil {
		return err.Error()
	}
	return can
}

func answerAll(t *testing.T) {
	var questions []question
	decoder := json.NewDecoder(bufio.NewReader(os.Stdin))
	for decoder.More() {
		var asked question
		if err := decoder.Decode(&asked); err != nil {
			log.Fatal(err)
		}
		questions = append(questions, asked)
	}
	var answers []any
	synctest.Test(t, func(*testing.T) {
		for _, asked := range questions {
			answers = append(answers, answer(asked))
		}
	})
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	encoder := json.NewEncoder(output)
	for _, one := range answers {
		if err := encoder.Encode(one); err != nil {
			log.Fatal(err)
		}
	}
}

func main() {
	// A fake clock exists in tests only. It prints PASS after the answers.
	testing.Main(regexp.MatchString, []testing.InternalTest{{Name: "answers", F: answerAll}}, nil, nil)
}
