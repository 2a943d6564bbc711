module tools/crds-vpa

go 1.26.3

// Not built: only the custom resource definitions in it are wanted.
require k8s.io/autoscaler/vertical-pod-autoscaler v1.8.1
