{{/*
Where an Application's chart and values come from; rendered by the ApplicationSet `models`, not by Helm.

The first environment renders the folder as it is in the commit, whatever chart its version file
pins. Later ones take the chart from the registry at the pinned version, so an edited template
reaches them by promotion only. There a version file without a pin makes an Application that Argo CD
refuses, and harms no other.
*/}}
{{- $fromCommit := eq .chartFrom "commit" }}
{{- $folder := printf "%s/environments/%s" (ternary "../.." "$values" $fromCommit) .environment }}
{{- $model := .release.path.basename }}
{{- $valueFiles := list (printf "%s/common.yaml" $folder) }}
{{- range list "settings" "capacity" "version" }}
{{- $valueFiles = append $valueFiles (printf "%s/%s/%s.yaml" $folder $model .) }}
{{- end }}
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
  sources:
    - repoURL: {{ .chartRegistry | quote }}
      chart: ml-model
      targetRevision: {{ dig "chart" "version" "" . | quote }}
      helm: {{ toJson $helm }}
    - repoURL: {{ .repoURL | quote }}
      targetRevision: {{ .revision | quote }}
      ref: values
  {{- end }}
