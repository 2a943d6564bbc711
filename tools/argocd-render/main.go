// Renders an Application as Argo CD would, for the tests of argocd/: its own code fills the template
// patch of an ApplicationSet, finds the value files and calls Helm, which has to be on PATH as `helm`.
//
// Stdin is a JSON object with the text of the patch ("patch"), the parameters of the generators
// ("parameters"), the checkout that every repository stands for ("root") and the folder of the chart
// ("chart"). Stdout is a JSON object with "manifests", each a text of JSON, or "error".
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-cd/v3/applicationset/utils"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	"github.com/argoproj/argo-cd/v3/reposerver/repository"
	"github.com/argoproj/argo-cd/v3/util/git"
	utilio "github.com/argoproj/argo-cd/v3/util/io"
)

type question struct {
	Patch      string         `json:"patch"`
	Parameters map[string]any `json:"parameters"`
	Root       string         `json:"root"`
	Chart      string         `json:"chart"`
	Namespace  string         `json:"namespace"`
}

type answer struct {
	Manifests []string `json:"manifests"`
	Error     string   `json:"error"`
}

func render(asked question) ([]string, error) {
	text, err := (&utils.Render{}).Replace(asked.Patch, asked.Parameters, true, []string{"missingkey=error"})
	if err != nil {
		return nil, err
	}
	var application v1alpha1.Application
	if err := yaml.UnmarshalStrict([]byte(text), &application); err != nil {
		return nil, err
	}
	paths := utilio.NewRandomizedTempPaths(os.TempDir())
	references := map[string]*v1alpha1.RefTarget{}
	var source *v1alpha1.ApplicationSource
	for _, each := range application.Spec.GetSources() {
		if each.Ref == "" {
			source = each.DeepCopy()
			continue
		}
		paths.Add(git.NormalizeGitURL(each.RepoURL), asked.Root)
		repo := v1alpha1.Repository{Repo: each.RepoURL}
		references["$"+each.Ref] = &v1alpha1.RefTarget{Repo: repo, TargetRevision: each.TargetRevision}
	}
	// A chart from a registry is in a folder of its own, as Argo CD unpacks it.
	root := asked.Chart
	if source.Chart == "" {
		root = asked.Root
	}
	response, err := repository.GenerateManifests(
		context.Background(), asked.Chart, root, "main",
		&apiclient.ManifestRequest{
			Repo:               &v1alpha1.Repository{Repo: source.RepoURL},
			AppName:            "application",
			Namespace:          asked.Namespace,
			ApplicationSource:  source,
			HasMultipleSources: len(references) > 0,
			RefSources:         references,
			KubeVersion:        "1.36.1",
			ProjectName:        "project",
		},
		true, &git.NoopCredsStore{}, resource.MustParse("0"), paths,
	)
	if err != nil {
		return nil, err
	}
	return response.Manifests, nil
}

func main() {
	logrus.SetLevel(logrus.ErrorLevel)
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		log.Fatal(err)
	}
	manifests, err := render(asked)
	given := answer{Manifests: manifests}
	if err != nil {
		given.Error = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(given); err != nil {
		log.Fatal(err)
	}
}
