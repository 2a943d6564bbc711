module tools/crds-prometheus

go 1.26.3

// Not built: only the custom resource definitions in it are wanted.
require github.com/prometheus-operator/prometheus-operator v0.85.0
