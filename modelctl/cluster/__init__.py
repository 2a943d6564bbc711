"""The cluster through kubectl: status, waiting, artifacts of pods, setup of an existing Argo CD."""
