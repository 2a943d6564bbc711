{{/*
What batches and trainings share: names, labels, pods and network policy of the Jobs of a release. Such pods share the
security of the release, and none of its objects selects them.
*/}}

{{/* A map over another, as JSON. Unlike mergeOverwrite, which takes false, 0 and "" for nothing. */}}
{{- define "ml-model.overlay" -}}
{{- $result := deepCopy .below -}}
{{- range $key, $value := .above -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $result $key)) -}}
{{- $_ := set $result $key (include "ml-model.overlay" (dict "below" (get $result $key) "above" $value) | fromJson) -}}
{{- else -}}
{{- $_ := set $result $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $result -}}
{{- end -}}

{{/* Every entry of a kind, batch or training, with its defaults, by name: include "ml-model.jobs" (dict "root" $ "kind" "batch") */}}
{{- define "ml-model.jobs" -}}
{{- $result := dict -}}
{{- /* A release without any reads no defaults. */}}
{{- with include "ml-model.compact" (get .root.Values .kind) | fromJson -}}
{{- $defaults := $.root.Files.Get (printf "files/%s.yaml" $.kind) | fromYaml -}}
{{- range $name, $job := . -}}
{{- $_ := set $result $name (include "ml-model.overlay" (dict "below" $defaults "above" $job) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- toJson $result -}}
{{- end -}}

{{/* Name of its objects. All below: include "ml-model.job.name" (dict "root" $ "kind" "batch" "name" n "job" j) */}}
{{- define "ml-model.job.name" -}}
{{- printf "%s-%s-%s" (include "ml-model.fullname" .root) .kind .name -}}
{{- end -}}

{{/* Labels that tell its pods from all others, those of the release first. */}}
{{- define "ml-model.job.selectorLabels" -}}
app.kubernetes.io/name: {{ printf "%s-%s" (include "ml-model.name" .root | trunc (sub 62 (len .kind) | int) | trimSuffix "-") .kind | quote }}
app.kubernetes.io/instance: {{ include "ml-model.job.instance" . | quote }}
app.kubernetes.io/component: {{ .kind }}
{{- end -}}

{{- define "ml-model.job.instance" -}}
{{- printf "%s-%s-%s" .root.Release.Name .kind .name -}}
{{- end -}}

{{- define "ml-model.job.podLabels" -}}
{{- $labels := include "ml-model.job.selectorLabels" . | fromYaml -}}
{{- $version := dict -}}
{{- if .root.Values.model.version -}}
{{- $_ := set $version "app.kubernetes.io/version" (include "ml-model.versionLabel" .root) -}}
{{- end -}}
{{- $release := include "ml-model.compact" .root.Values.podLabels | fromJson -}}
{{- $common := include "ml-model.compact" .root.Values.commonLabels | fromJson -}}
{{- toYaml (merge $labels $version (deepCopy .job.podLabels) $release $common) -}}
{{- end -}}

{{- define "ml-model.job.image" -}}
{{- $image := include "ml-model.ownImage" (dict "root" .root "image" .job.image) | fromJson -}}
{{- include "ml-model.reference" (dict "root" .root "image" $image) -}}
{{- end -}}

{{/* A text of users as one argument: Kubernetes would replace $(NAME). */}}
{{- define "ml-model.job.argument" -}}
{{- replace "$" "$$" . | quote -}}
{{- end -}}

{{/* Start of the template of its pods, up to where they run. */}}
{{- define "ml-model.job.podHead" -}}
{{- $values := .root.Values -}}
metadata:
  labels:
    {{- include "ml-model.job.podLabels" . | nindent 4 }}
  annotations:
    {{- $own := dict "kubectl.kubernetes.io/default-container" .kind }}
    {{- $pod := include "ml-model.compact" $values.podAnnotations | fromJson }}
    {{- $common := include "ml-model.compact" $values.commonAnnotations | fromJson }}
    {{- toYaml (merge $own (deepCopy .job.podAnnotations) $pod $common) | nindent 4 }}
spec:
  restartPolicy: Never
  {{- with include "ml-model.pullSecrets" .root | trim }}
  imagePullSecrets:
    {{- . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ .job.serviceAccountName | default (include "ml-model.serviceAccountName" .root) | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- if not $values.security.hostUsers }}
  hostUsers: false
  {{- end }}
  securityContext:
    {{- include "ml-model.podSecurityContext" .root | nindent 4 }}
  {{- with .job.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .job.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .job.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .job.tolerations }}
  tolerations:
    {{- range . }}
    - {{ toYaml . | indent 6 | trim }}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* Environment of its container: include "ml-model.job.env" (dict "job" j "own" variables) */}}
{{- define "ml-model.job.env" -}}
{{- with .job.envFrom -}}
envFrom:
  {{- range . }}
  - {{ toYaml . | indent 4 | trim }}
  {{- end }}
{{ end -}}
env:
  {{- include "ml-model.env" (merge (dict) .own .job.env) | trim | nindent 2 }}
{{- end -}}

{{/* Whether a place is a URL of a store, and not a path in a volume. */}}
{{- define "ml-model.job.isUrl" -}}
{{- if contains "://" . -}}true{{- end -}}
{{- end -}}

{{/* Label of its Jobs for Kueue, which their pods must not have. */}}
{{- define "ml-model.job.queueLabel" -}}
{{- with .job.kueue.queue -}}
kueue.x-k8s.io/queue-name: {{ . | quote }}
{{- end -}}
{{- end -}}

{{/* A CronJob: include "ml-model.job.cronJob" (dict ... "spec" s), the spec of its Jobs as YAML. */}}
{{- define "ml-model.job.cronJob" -}}
{{- $job := .job -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  {{- /* A failed run degrades no release: Argo CD would hold the model's next version for unhealthy. An alert tells. */}}
  {{- include "ml-model.job.metadata" (merge (dict "annotations" (dict "argocd.argoproj.io/ignore-healthcheck" "true")) .) | nindent 2 }}
spec:
  {{- /* On request a date that never comes: even if someone resumes the CronJob, nothing starts. */}}
  schedule: {{ $job.schedule | default "0 0 31 2 *" | quote }}
  timeZone: {{ $job.timeZone | quote }}
  suspend: {{ or $job.suspend (not $job.schedule) }}
  # Two runs at the same time would only share the nodes.
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: {{ int64 $job.startingDeadlineSeconds }}
  successfulJobsHistoryLimit: {{ int64 $job.successfulJobsHistoryLimit }}
  failedJobsHistoryLimit: {{ int64 $job.failedJobsHistoryLimit }}
  jobTemplate:
    metadata:
      labels:
        {{- include "ml-model.job.podLabels" . | nindent 8 }}
        {{- with include "ml-model.job.queueLabel" . }}
        {{- . | nindent 8 }}
        {{- end }}
    spec:
      {{- .spec | nindent 6 }}
{{- end -}}

{{/* Metadata of its objects: `annotations` beside what is common. */}}
{{- define "ml-model.job.metadata" -}}
{{- $labels := dict "app.kubernetes.io/component" .kind (printf "ml-model/%s" .kind) .name -}}
{{- $metadata := include "ml-model.metadata" (dict
      "root" .root "name" (include "ml-model.job.name" .) "annotations" (.annotations | default dict)) | fromYaml -}}
{{- toYaml (mergeOverwrite $metadata (dict "labels" $labels)) -}}
{{- end -}}

{{/*
Its NetworkPolicy: include "ml-model.job.networkPolicy" (dict ... "from" f "download" url "egress" e), who may read its
metrics, whether it downloads the release's bundle, and where else it may connect to, by name.
*/}}
{{- define "ml-model.job.networkPolicy" -}}
{{- $root := .root -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "ml-model.job.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "ml-model.job.selectorLabels" . | nindent 6 }}
  policyTypes:
    - Ingress
    - Egress
  {{- /* Nobody calls it. */}}
  {{- with .from }}
  ingress:
    - ports:
        - port: metrics
          protocol: TCP
        {{- with include "ml-model.tunnelPort" $root }}
        {{- . | nindent 8 }}
        {{- end }}
      from:
        {{- range . }}
        - {{ toYaml . | indent 10 | trim }}
        {{- end }}
  {{- end }}
  {{- if or $root.Values.networkPolicy.dns .download .egress }}
  egress:
    {{- if $root.Values.networkPolicy.dns }}
    {{- include "ml-model.dnsEgress" $root | nindent 4 }}
    {{- end }}
    {{- if .download }}
    {{- include "ml-model.downloadEgress" $root | nindent 4 }}
    {{- end }}
    {{- $tunnel := include "ml-model.tunnelPort" $root }}
    {{- range .egress }}
    {{- if $tunnel }}
    {{- $_ := set . "ports" (concat .ports (fromYamlArray $tunnel)) }}
    {{- end }}
    - {{ toYaml . | indent 6 | trim }}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* Hours after which its results are late, 0 for never. */}}
{{- define "ml-model.job.lateHours" -}}
{{- $late := .job.alerts.lateHours -}}
{{- if or (not .job.schedule) .job.suspend -}}
{{- $late = 0 -}}
{{- else if eq (toString $late) "auto" -}}
{{- $late = divf .job.activeDeadlineSeconds 3600 | ceil | int64 | add (include "ml-model.cron.periodHours" .job.schedule) -}}
{{- end -}}
{{- int64 $late -}}
{{- end -}}
