{{/* Label app.kubernetes.io/name. Below a parent chart .Chart.Name is the alias, so two aliases never share a selector. */}}
{{- define "ml-model.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of every object. Never truncated: two models of a parent chart could get the same name. A guard refuses instead. */}}
{{- define "ml-model.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) .Chart.IsRoot -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "ml-model.namespace" -}}
{{- .Release.Namespace -}}
{{- end -}}

{{- define "ml-model.modelName" -}}
{{- .Values.model.name | default (include "ml-model.fullname" .) -}}
{{- end -}}

{{- define "ml-model.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "ml-model.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/*
A map without null entries, at any depth: Helm keeps a null for a key that the chart has no default for.
As JSON, for fromJson: toYaml drops the final line break of a string at the end.
*/}}
{{- define "ml-model.compact" -}}
{{- $out := dict -}}
{{- range $key, $value := . -}}
{{- if kindIs "map" $value -}}
{{- $_ := set $out $key (include "ml-model.compact" $value | fromJson) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $out $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{/* Whether any of these maps has an entry. Not by `merge`, which would add those of one name to the first map's own. */}}
{{- define "ml-model.anyEntry" -}}
{{- range . -}}{{- if include "ml-model.compact" . | fromJson -}}true{{- end -}}{{- end -}}
{{- end -}}

{{/* Selector labels. Never change them: a Deployment's selector is immutable. */}}
{{- define "ml-model.selectorLabels" -}}
{{- if .consumer -}}
app.kubernetes.io/component: consumer
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/name: {{ printf "%s-consumer" (include "ml-model.name" . | trunc 54 | trimSuffix "-") | quote }}
{{- else -}}
app.kubernetes.io/instance: {{ with .variant }}{{ printf "%s-%s" $.Release.Name . | quote }}{{ else }}{{ .Release.Name | quote }}{{ end }}
app.kubernetes.io/name: {{ include "ml-model.name" . | quote }}
{{- end -}}
{{- end -}}

{{/* Label app.kubernetes.io/version: a label allows at most 63 characters and no "+". */}}
{{- define "ml-model.versionLabel" -}}
{{- .Values.model.version | default .Chart.AppVersion | toString | replace "+" "_" | trunc 63 | trimAll "-_." -}}
{{- end -}}

{{/* Labels of an object. */}}
{{- define "ml-model.labels" -}}
{{- $own := dict
      "app.kubernetes.io/managed-by" .Release.Service
      "app.kubernetes.io/version" (include "ml-model.versionLabel" .)
      "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_.") -}}
{{- with .variant -}}{{- $_ := set $own "ml-model/variant" . -}}{{- end -}}
{{- $selector := include "ml-model.selectorLabels" . | fromYaml -}}
{{- $common := include "ml-model.compact" .Values.commonLabels | fromJson -}}
{{- toYaml (merge $selector $own $common) -}}
{{- end -}}

{{/* Labels of the pods: without the versions of the chart and its application, so that a chart upgrade rolls no pods. */}}
{{- define "ml-model.podLabels" -}}
{{- $own := dict -}}
{{- if .Values.model.version -}}
{{- $_ := set $own "app.kubernetes.io/version" (include "ml-model.versionLabel" .) -}}
{{- end -}}
{{- with .variant -}}{{- $_ := set $own "ml-model/variant" . -}}{{- end -}}
{{- $selector := include "ml-model.selectorLabels" . | fromYaml -}}
{{- $pod := include "ml-model.compact" .Values.podLabels | fromJson -}}
{{- $common := include "ml-model.compact" .Values.commonLabels | fromJson -}}
{{- toYaml (merge $selector $own $pod $common) -}}
{{- end -}}

{{/* metadata of an object: include "ml-model.metadata" (dict "root" $ "suffix" "-test" "annotations" (dict)), or "name", and "labels". */}}
{{- define "ml-model.metadata" -}}
name: {{ .name | default (printf "%s%s" (include "ml-model.workloadName" .root) (.suffix | default "")) | quote }}
namespace: {{ include "ml-model.namespace" .root | quote }}
labels:
  {{- include "ml-model.labels" .root | nindent 2 }}
{{- with .labels }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $own := include "ml-model.compact" (.annotations | default dict) | fromJson -}}
{{- $common := include "ml-model.compact" .root.Values.commonAnnotations | fromJson -}}
{{- with merge $own $common }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Image reference: registry/repository:tag@digest; the digest takes precedence. */}}
{{- define "ml-model.reference" -}}
{{- $registry := .image.registry | default .root.Values.global.imageRegistry -}}
{{- with $registry -}}{{- trimSuffix "/" . -}}/{{- end -}}
{{- .image.repository -}}
{{- with .image.tag -}}:{{- . -}}{{- end -}}
{{- with .image.digest -}}@{{- . -}}{{- end -}}
{{- end -}}

{{- define "ml-model.image" -}}
{{- include "ml-model.reference" (dict "root" . "image" .Values.image) -}}
{{- end -}}

{{/*
The release's image, or one of its own, of which tag and digest belong together, as JSON:
include "ml-model.ownImage" (dict "root" $ "image" i)
*/}}
{{- define "ml-model.ownImage" -}}
{{- $image := .root.Values.image -}}
{{- $pullPolicy := .image.pullPolicy | default $image.pullPolicy -}}
{{- with .image -}}
{{- if or .repository .tag .digest -}}
{{- $place := ternary . $image (ne .repository "") -}}
{{- $image = dict "registry" $place.registry "repository" $place.repository "tag" .tag "digest" .digest -}}
{{- end -}}
{{- end -}}
{{- toJson (merge (dict "pullPolicy" $pullPolicy) $image) -}}
{{- end -}}

{{/* Fails if such an image is incomplete: include "ml-model.requireImage" (dict "root" $ "image" i "of" "batch a" "key" "batch.a.image") */}}
{{- define "ml-model.requireImage" -}}
{{- if and .image.registry (not .image.repository) -}}
{{- fail (printf "ERROR: the image of %s has a registry alone: expected a repository too, found none; set %s.repository" .of .key) -}}
{{- end -}}
{{- if and .image.repository (not (or .image.tag .image.digest)) -}}
{{- fail (printf "ERROR: the image of %s has neither tag nor digest: expected at least one of them, because those of the release are of another image; set %s.digest" .of .key) -}}
{{- end -}}
{{- if and .root.Values.requireDigest (or .image.repository .image.tag) (not .image.digest) -}}
{{- fail (printf "ERROR: the image of %s has no digest: expected one, because requireDigest is true; set %s.digest" .of .key) -}}
{{- end -}}
{{- end -}}

{{/* Maximum number of pods of the release. */}}
{{- define "ml-model.mostReplicas" -}}
{{- if .Values.autoscaling.enabled -}}
{{- int .Values.autoscaling.maxReplicas -}}
{{- else if .Values.keda.enabled -}}
{{- int .Values.keda.maxReplicas -}}
{{- else -}}
{{- int .Values.replicaCount -}}
{{- end -}}
{{- end -}}

{{/* Whether an autoscaler sets the number of pods; the Deployment must then not set it. */}}
{{- define "ml-model.replicasOwnedElsewhere" -}}
{{- if or .Values.autoscaling.enabled .Values.keda.enabled -}}true{{- end -}}
{{- end -}}

{{/* Data of the ConfigMap: the application's settings. int64 keeps 1048576 from becoming 1.048576e+06. */}}
{{- define "ml-model.configData" -}}
DOCS_ENABLED: {{ .Values.config.docsEnabled | quote }}
DRAIN_SECONDS: {{ int64 .Values.shutdown.drainSeconds | quote }}
DRIFT_MAX_FEATURES: {{ int64 .Values.config.driftMaxFeatures | quote }}
GRACEFUL_TIMEOUT_SECONDS: {{ int64 .Values.shutdown.gracefulSeconds | quote }}
LOG_LEVEL: {{ .Values.config.logLevel | quote }}
LOG_SAMPLE_RATIO: {{ .Values.config.logSampleRatio | quote }}
MAX_BATCH_ROWS: {{ int64 .Values.config.maxBatchRows | quote }}
MAX_BODY_BYTES: {{ int64 .Values.config.maxBodyBytes | quote }}
MAX_IN_FLIGHT: {{ int64 .Values.config.maxInFlight | quote }}
REQUEST_TIMEOUT_MS: {{ int64 .Values.config.requestTimeoutMs | quote }}
{{- end -}}

{{/* Environment variables that the chart sets in the model's container, by name; users add theirs in .Values.env. */}}
{{- define "ml-model.ownEnv" -}}
MODEL_DIR: {value: /model}
{{- with .Values.model.digest }}
MODEL_DIGEST: {value: {{ . | quote }}}
{{- end }}
ORT_DISABLE_TELEMETRY: {value: "1"}
PORT: {value: "8080"}
{{- /* A consumer, one process, makes a folder of its own. */}}
{{- if not .consumer }}
PROMETHEUS_MULTIPROC_DIR: {value: /tmp/metrics}
{{- end }}
{{- if .Values.metrics.ownPort }}
METRICS_PORT: {value: {{ int64 .Values.metrics.port | quote }}}
{{- end }}
{{- if .consumer }}
{{ include "ml-model.consumer.env" . }}
{{- end }}
{{- with include "ml-model.cache.env" . }}
{{ . }}
{{- end }}
{{- if ne (toString .Values.workers) "auto" }}
WORKERS: {value: {{ int64 .Values.workers | quote }}}
{{- end }}
{{- /* Without a limit, the downward API returns the node's cores, and a worker would start for each of them. */}}
{{- with .Values.resources.requests.cpu }}
CPU_REQUEST: {valueFrom: {resourceFieldRef: {containerName: model, resource: requests.cpu, divisor: "1"}}}
{{- end }}
{{- with .Values.resources.limits.cpu }}
CPU_LIMIT: {valueFrom: {resourceFieldRef: {containerName: model, resource: limits.cpu, divisor: "1"}}}
{{- end }}
{{- end -}}

{{/* Names of the environment variables that the chart sets or may set. */}}
{{- define "ml-model.reservedEnv" -}}
- CPU_LIMIT
- CPU_REQUEST
- METRICS_PORT
- MODEL_DIGEST
- MODEL_DIR
- ORT_DISABLE_TELEMETRY
- PORT
- PROMETHEUS_MULTIPROC_DIR
- WORKERS
{{- range $name, $_ := include "ml-model.configData" . | fromYaml }}
- {{ $name }}
{{- end }}
{{- range include "ml-model.cache.reservedEnv" . | fromJsonArray }}
- {{ . }}
{{- end }}
{{- end -}}

{{/* Pull secrets of the release and the parent chart, without duplicates. */}}
{{- define "ml-model.pullSecrets" -}}
{{- $names := list -}}
{{- range concat (.Values.image.pullSecrets | default list) (.Values.global.imagePullSecrets | default list) -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- range $names | uniq }}
- name: {{ . | quote }}
{{- end -}}
{{- end -}}

{{/* A number or percentage of pods. */}}
{{- define "ml-model.intOrPercent" -}}
{{- if kindIs "string" . -}}{{ . | quote }}{{- else -}}{{ int64 . }}{{- end -}}
{{- end -}}

{{/* Maximum seconds from the start of a pod until it is ready, including the download. */}}
{{- define "ml-model.startSeconds" -}}
{{- add .Values.startBudgetSeconds (ternary .Values.model.download.timeoutSeconds 0 (ne .Values.model.download.url "")) -}}
{{- end -}}

{{/* Seconds after which a rollout fails: the time to start plus one minute for scheduling and pulling. */}}
{{- define "ml-model.progressDeadlineSeconds" -}}
{{- if eq (toString .Values.progressDeadlineSeconds) "auto" -}}
{{- add (include "ml-model.startSeconds" .) .Values.minReadySeconds 60 -}}
{{- else -}}
{{- int64 .Values.progressDeadlineSeconds -}}
{{- end -}}
{{- end -}}

{{/* Egress rule for the cluster's DNS; the name of the Service differs between clusters, its namespace and label do not. */}}
{{- define "ml-model.dnsEgress" -}}
- ports:
    {{- /* Of the pods: those of OpenShift listen on 5353. */}}
    {{- range list 53 5353 }}
    - port: {{ . }}
      protocol: UDP
    - port: {{ . }}
      protocol: TCP
    {{- end }}
  to:
    {{- range include "ml-model.compact" .Values.networkPolicy.dnsServers | fromJson }}
    - {{ toYaml . | indent 6 | trim }}
    {{- end }}
{{- end -}}

{{/* Ports of a Service. */}}
{{- define "ml-model.servicePorts" -}}
- name: http
  port: {{ int64 .Values.service.port }}
  targetPort: http
  protocol: TCP
  appProtocol: http
{{- if .Values.grpc.enabled }}
- name: grpc
  port: {{ int64 .Values.grpc.port }}
  targetPort: http
  protocol: TCP
  appProtocol: kubernetes.io/h2c
{{- end }}
{{- if .Values.metrics.ownPort }}
- name: metrics
  port: {{ int64 .Values.metrics.port }}
  targetPort: metrics
  protocol: TCP
  appProtocol: http
{{- end }}
{{- end -}}

{{/* Name of the port of /metrics. */}}
{{- define "ml-model.metricsPort" -}}
{{- ternary "metrics" "http" .Values.metrics.ownPort -}}
{{- end -}}

{{/* Number of worker processes, computed as in the application. */}}
{{- define "ml-model.workers" -}}
{{- if ne (toString .Values.workers) "auto" -}}
{{- int64 .Values.workers -}}
{{- else -}}
{{- $cpu := .Values.resources.limits.cpu | default .Values.resources.requests.cpu | default 1 -}}
{{- include "ml-model.amount" $cpu | float64 | ceil | max 1 -}}
{{- end -}}
{{- end -}}

{{/* Volume and mount of a bundle outside the image; otherwise empty. */}}
{{- define "ml-model.modelVolume" -}}
{{- if .Values.model.imageVolume.repository -}}
- name: model
  image:
    reference: {{ printf "%s:%s" .Values.model.imageVolume.repository (.Values.model.version | replace "+" "_") }}
    {{- with .Values.model.imageVolume.pullPolicy }}
    pullPolicy: {{ . | quote }}
    {{- end }}
{{- else if .Values.model.claim.name -}}
- name: model
  persistentVolumeClaim:
    claimName: {{ .Values.model.claim.name | quote }}
    readOnly: true
{{- else if .Values.model.download.url -}}
{{- include "ml-model.downloadVolumes" . -}}
{{- end -}}
{{- end -}}

{{- define "ml-model.modelMount" -}}
{{- if include "ml-model.modelVolume" . -}}
- name: model
  mountPath: /model
  readOnly: true
  {{- with tpl .Values.model.claim.path . }}
  subPath: {{ . | quote }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/*
What a worker holds for its clients at most, MiB (app/front/memory.py): 2000 connections, and the bodies that arrive.
*/}}
{{- define "ml-model.clientsMi" -}}
{{- divf (mulf 4 (float64 .Values.config.maxBodyBytes)) 1048576 | maxf 16 | ceil | add 10 -}}
{{- end -}}
