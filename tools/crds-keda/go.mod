module tools/crds-keda

go 1.26.3

// Not built: only the custom resource definitions in it are wanted.
require github.com/kedacore/keda/v2 v2.21.0
