module tools/crds-traefik

go 1.24.0

// Not built: only the custom resource definitions in it are wanted.
require github.com/traefik/traefik/v3 v3.6.12
