module tools/crds-argo-rollouts

go 1.24.9

// Not built: only the custom resource definitions in it are wanted.
require github.com/argoproj/argo-rollouts v1.9.1
