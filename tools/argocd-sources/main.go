// Compares an Application with git while somebody pushes: its own code takes the sources of an
// ApplicationSet's template one after the other. What it records as compared, and what it has
// rendered, are then of one commit or of two. For docs/decisions/0007-order-of-sources.md.
//
// Stdin is a JSON object with the text of the patch ("patch") and the parameters of the generators
// ("parameters"); "reversed" turns the sources round. The branch is at "before" until Argo CD has
// asked for the first source, then at "after". Stdout is a JSON object with the commit that is
// recorded ("recorded") and the one that was rendered ("rendered"), or "error".
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-cd/v3/applicationset/utils"
	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/controller"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	"github.com/argoproj/argo-cd/v3/util/argo"
	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
	"github.com/argoproj/argo-cd/v3/util/db"
	utilio "github.com/argoproj/argo-cd/v3/util/io"
	"github.com/argoproj/argo-cd/v3/util/settings"
)

const (
	namespace = "argocd"
	before    = "before"
	after     = "after"
)

type question struct {
	Patch      string         `json:"patch"`
	Parameters map[string]any `json:"parameters"`
	Reversed   bool           `json:"reversed"`
}

type answer struct {
	Recorded string `json:"recorded"`
	Rendered string `json:"rendered"`
	Error    string `json:"error"`
}

// repoServer stands for git, the registry and Helm: it knows which commit the branch is at.
type repoServer struct {
	apiclient.RepoServerServiceClient
	branch, head, rendered string
}

func (s *repoServer) NewRepoServerClient() (utilio.Closer, apiclient.RepoServerServiceClient, error) {
	return utilio.NopCloser, s, nil
}

// commit is what a revision stands for at this moment, as the repo server looks it up for itself.
func (s *repoServer) commit(revision string) string {
	if revision == s.branch {
		return s.head
	}
	return revision
}

func (s *repoServer) GenerateManifest(
	_ context.Context, asked *apiclient.ManifestRequest, _ ...grpc.CallOption,
) (*apiclient.ManifestResponse, error) {
	response := &apiclient.ManifestResponse{Revision: s.commit(asked.Revision)}
	if !asked.ApplicationSource.IsRef() {
		for _, values := range asked.RefSources {
			s.rendered = s.commit(values.TargetRevision)
		}
	}
	s.head = after
	return response, nil
}

func compare(asked question) (*answer, error) {
	text, err := (&utils.Render{}).Replace(asked.Patch, asked.Parameters, true, []string{"missingkey=error"})
	if err != nil {
		return nil, err
	}
	var application v1alpha1.Application
	if err := yaml.UnmarshalStrict([]byte(text), &application); err != nil {
		return nil, err
	}
	application.Name, application.Namespace = "production-iris", namespace
	application.Spec.Project = "production"
	application.Spec.Destination = v1alpha1.ApplicationDestination{
		Server: v1alpha1.KubernetesInternalAPIServerAddr, Namespace: "ml-production",
	}
	if asked.Reversed {
		slices.Reverse(application.Spec.Sources)
	}
	sources := application.Spec.GetSources()
	at := slices.IndexFunc(sources, func(each v1alpha1.ApplicationSource) bool { return each.IsRef() })
	if at < 0 {
		return nil, errors.New("expected a source of values")
	}
	ctx := context.Background()
	labels := map[string]string{"app.kubernetes.io/part-of": "argocd"}
	clients := fake.NewClientset(
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: common.ArgoCDConfigMapName, Namespace: namespace, Labels: labels}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: common.ArgoCDSecretName, Namespace: namespace, Labels: labels},
			Data:       map[string][]byte{"admin.password": nil, "server.secretkey": nil},
		},
	)
	manager := settings.NewSettingsManager(ctx, clients, namespace)
	server := &repoServer{branch: sources[at].TargetRevision, head: before}
	states := controller.NewAppStateManager(
		db.NewDB(namespace, manager, clients), nil, server, namespace, nil, nil, manager, nil, nil, nil,
		time.Minute, argo.NewResourceTracking(), true, 0, true, normalizers.IgnoreNormalizerOpts{},
	)
	project := &v1alpha1.AppProject{
		ObjectMeta: metav1.ObjectMeta{Name: "production"},
		Spec:       v1alpha1.AppProjectSpec{SourceRepos: []string{"*"}},
	}
	revisions := make([]string, len(sources))
	_, responses, _, err := states.GetRepoObjs(
		ctx, &application, sources, "", revisions, false, false, nil, project, false,
	)
	if err != nil {
		return nil, err
	}
	return &answer{Recorded: responses[at].Revision, Rendered: server.rendered}, nil
}

func main() {
	logrus.SetOutput(io.Discard)
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		log.Fatal(err)
	}
	given, err := compare(asked)
	if err != nil {
		given = &answer{Error: err.Error()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(given); err != nil {
		log.Fatal(err)
	}
}
