{{/*
The sources of an Application's chart and values; rendered by the ApplicationSet `models`, not by Helm.

The first environment renders the chart's folder in the commit, whatever version its version file
pins. Later ones use the pinned version from the registry, so an edited template reaches them by
promotion only. There Argo CD refuses an Application without a pin, which affects no other.
*/}}
{{- $fromCommit := eq .chartFrom "commit" }}
{{- $folder := printf "%s/environments/%s" (ternary "../.." "$values" $fromCommit) .environment }}
{{- $model := .release.path.basename }}
{{- $valueFiles := list (printf "%s/common.yaml" $folder) }}
{{- range list "settings" "capacity" "version" }}
{{- $valueFiles = append $valueFiles (printf "%s/%s/%s.yaml" $folder $model .) }}
{{- end }}
{{- /* A pattern without a match would be an error, so it includes a file that is always there. */}}
{{- $valueFiles = append $valueFiles (printf "%s/%s/{settings,variants/*}.yaml" $folder $model) }}
{{- $helm := dict "releaseName" $model "skipTests" true "valueFiles" $valueFiles }}
spec:
  {{- if $fromCommit }}
  {{- $anyChart := dict "name" "chart.version" "value" "" "forceString" true }}
  source:
    repoURL: {{ .repoURL | quote }}
    targetRevision: {{ .revision | quote }}
    path: charts/ml-model
    helm: {{ set $helm "parameters" (list $anyChart) | toJson }}
  {{- else }}
  {{- /*
  The values first: docs/decisions/0007-order-of-sources.md. Argo CD looks up the branch once for each source, and a push
  may come in between. What it records must not be newer than what it rendered.
  */}}
  sources:
    - repoURL: {{ .repoURL | quote }}
      targetRevision: {{ .revision | quote }}
      ref: values
    - repoURL: {{ .chartRegistry | quote }}
      chart: ml-model
      targetRevision: {{ dig "chart" "version" "" . | quote }}
      helm: {{ toJson $helm }}
  {{- end }}
