module tools/crds-istio

go 1.26.3

// Not built: only the custom resource definitions in it are wanted.
require istio.io/api v1.31.1
