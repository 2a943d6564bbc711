module tools/crds-gateway-api

go 1.26.3

// Not built: only the custom resource definitions in it are wanted.
require sigs.k8s.io/gateway-api v1.6.3
