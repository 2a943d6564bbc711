// Says what Istio refuses or warns of in the objects of a release, for the tests of the chart: by the
// validation of its own webhook and the analyzers of `istioctl analyze`.
//
// Each line of stdin is a JSON list of the objects that are applied together. Each line of stdout is
// the JSON list of the errors and warnings about them.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	stdlog "log"
	"os"

	"istio.io/istio/pkg/config/analysis/analyzers"
	"istio.io/istio/pkg/config/analysis/diag"
	"istio.io/istio/pkg/config/analysis/local"
	"istio.io/istio/pkg/config/resource"
	"istio.io/istio/pkg/log"
)

const istioNamespace = "istio-system"

// faults returns what Istio's code says of these objects, errors that keep it from reading them
// included.
func faults(objects []json.RawMessage) []string {
	analyzer := local.NewIstiodAnalyzer(
		analyzers.AllCombined(), resource.Namespace(""), resource.Namespace(istioNamespace), nil)
	found := []string{}
	for number, object := range objects {
		// Services and workloads too, which the routes and policies refer to. Each has a name of its
		// own, because a source replaces what an earlier one of the same name brought.
		name := fmt.Sprintf("object %d", number)
		source := local.ReaderSource{Name: name, Reader: bytes.NewReader(object)}
		if err := analyzer.AddTestReaderKubeSource([]local.ReaderSource{source}); err != nil {
			found = append(found, fmt.Sprintf("Error: %v", err))
		}
	}
	stop := make(chan struct{})
	defer close(stop)
	result, err := analyzer.Analyze(stop)
	if err != nil {
		return append(found, fmt.Sprintf("Error: %v", err))
	}
	for _, message := range result.Messages {
		if message.Type.Level() != diag.Info {
			found = append(found, message.String())
		}
	}
	return found
}

func main() {
	// Its log goes to stdout, which is for the answers.
	options := log.DefaultOptions()
	options.OutputPaths = []string{"stderr"}
	options.SetDefaultOutputLevel(log.OverrideScopeName, log.ErrorLevel)
	if err := log.Configure(options); err != nil {
		stdlog.Fatal(err)
	}
	decoder := json.NewDecoder(bufio.NewReader(os.Stdin))
	encoder := json.NewEncoder(os.Stdout)
	for decoder.More() {
		objects := []json.RawMessage{}
		if err := decoder.Decode(&objects); err != nil {
			stdlog.Fatal(err)
		}
		if err := encoder.Encode(faults(objects)); err != nil {
			stdlog.Fatal(err)
		}
	}
}
