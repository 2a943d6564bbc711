// Reads YAML as Helm and Argo CD do, for the tests of modelctl's strict reader.
//
// Each line of stdin is the base64 of a text, each line of stdout a JSON object with what was read:
// "helm" as Helm reads a value file, "argocd" as Argo CD's git file generator reads it, or
// "helmError" and "argocdError" where it refuses the text.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log"
	"os"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"sigs.k8s.io/yaml"
)

type answer struct {
	Helm        map[string]any `json:"helm"`
	HelmError   string         `json:"helmError,omitempty"`
	ArgoCD      map[string]any `json:"argocd"`
	ArgoCDError string         `json:"argocdError,omitempty"`
}

func read(text []byte) answer {
	var result answer
	values, err := loader.LoadValues(bytes.NewReader(text))
	if err != nil {
		result.HelmError = err.Error()
	}
	result.Helm = values
	// The call that applicationset/generators/git.go makes for each file; it is not exported.
	parameters := map[string]any{}
	if err := yaml.Unmarshal(text, &parameters); err != nil {
		result.ArgoCDError = err.Error()
	}
	result.ArgoCD = parameters
	return result
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	output := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(output)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		text, err := base64.StdEncoding.DecodeString(line[:len(line)-1])
		if err != nil {
			log.Fatal(err)
		}
		if err := encoder.Encode(read(text)); err != nil {
			log.Fatal(err)
		}
		if err := output.Flush(); err != nil {
			log.Fatal(err)
		}
	}
}
