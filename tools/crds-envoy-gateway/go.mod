module tools/crds-envoy-gateway

go 1.26.7

// Not built: only the custom resource definitions in it are wanted.
require github.com/envoyproxy/gateway v1.9.1
