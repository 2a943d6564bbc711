{{/*
How every Application syncs. Retries never end: a failed sync is otherwise not tried again on the
same revision, and a model that came before its namespace would stay broken.
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

{{/* How every ApplicationSet treats its Applications. */}}
{{- define "argocd.applicationSet" -}}
goTemplate: true
goTemplateOptions:
  - missingkey=error
# A generator that finds nothing, by mistake or by accident, deletes no running model: `modelctl
# retire` does that on purpose.
syncPolicy:
  applicationsSync: create-update
  preserveResourcesOnDeletion: true
# An operator may pause one Application; the generator leaves that alone.
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

{{/* Before the names of the ApplicationSets; nothing for the first repository of an Argo CD. */}}
{{- define "argocd.name" -}}
{{- with .Values.name }}{{ . }}-{{ end -}}
{{- end -}}
