module tools/crds-external-secrets

go 1.26.3

// Not built: only the custom resource definitions in it are wanted.
require github.com/external-secrets/external-secrets v1.3.2
