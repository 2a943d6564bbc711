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
    maxDuration: 1m
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
