{{/*
The sync policy of every Application. Retries are unlimited: otherwise a failed sync is not retried
on the same revision, and a model that was synced before its namespace existed would stay broken.
*/}}
{{- define "argocd.syncPolicy" -}}
automated:
  prune: true
  selfHeal: true
retry:
  limit: -1
  refresh: true
  backoff:
    duration: 5s
    factor: 2
    maxDuration: 20s
syncOptions:
  - ServerSideApply=true
  - ApplyOutOfSyncOnly=true
  - RespectIgnoreDifferences=true
{{- end -}}

{{/* The settings of every ApplicationSet. */}}
{{- define "argocd.applicationSet" -}}
goTemplate: true
goTemplateOptions:
  - missingkey=error
# A generator without results must not delete running models: only `modelctl retire` deletes.
syncPolicy:
  applicationsSync: create-update
  preserveResourcesOnDeletion: true
# An operator may pause one Application; the ApplicationSet keeps that.
ignoreApplicationDifferences:
  - jsonPointers:
      - /spec/syncPolicy/automated
{{- end -}}

{{/* Elements of the list generator: one for each environment. */}}
{{- define "argocd.environments" -}}
{{- range . }}
- environment: {{ .name }}
  namespace: {{ .namespace }}
  cluster: {{ .cluster }}
{{- end }}
{{- end -}}

{{/* The prefix of the ApplicationSets' names; empty for the first repository of an Argo CD. */}}
{{- define "argocd.name" -}}
{{- with .Values.name }}{{ . }}-{{ end -}}
{{- end -}}

{{/*
Generator and template for a part of each environment's overlay: `without` is a pattern of the kinds
that the part leaves to another Application. One overlay, so that `kubectl apply -k` gives all of it.
*/}}
{{- define "argocd.baseline" -}}
generators:
  - list:
      elements:
        {{- include "argocd.environments" .root.Values.environments | nindent 8 }}
template:
  metadata:
    name: {{ printf "{{.environment}}-%s" .part | squote }}
    labels:
      ml-model/environment: {{ `'{{.environment}}'` }}
    annotations:
      argocd.argoproj.io/manifest-generate-paths: {{ `'/kustomize/environments/base;/kustomize/environments/components;/kustomize/environments/overlays/{{.environment}}'` }}
  spec:
    project: {{ `'{{.environment}}-baseline'` }}
    source:
      repoURL: {{ .root.Values.repoURL | quote }}
      targetRevision: {{ .root.Values.revision | quote }}
      path: {{ `'kustomize/environments/overlays/{{.environment}}'` }}
      kustomize:
        patches:
          - target:
              kind: {{ .without | quote }}
            # Kustomize wants a name here, and goes by the target.
            patch: |
              $patch: delete
              kind: any
              metadata:
                name: any
    destination:
      name: {{ `'{{.cluster}}'` }}
      namespace: {{ `'{{.namespace}}'` }}
    syncPolicy:
      {{- include "argocd.syncPolicy" .root | nindent 6 }}
{{- end -}}
