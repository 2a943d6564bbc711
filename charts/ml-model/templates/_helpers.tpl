{{/* Label app.kubernetes.io/name. Below a parent chart .Chart.Name is the alias, so two aliases never share a selector. */}}
{{- define "ml-model.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of every object. Never cut: two models of one parent chart could end up with the same; a guard refuses. */}}
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
A map without its null entries at any depth: Helm keeps a null for a key that is not among the chart's defaults.
As JSON, for fromYaml: toYaml drops the last line break, which a text at the end would lose.
*/}}
{{- define "ml-model.compact" -}}
{{- $out := dict -}}
{{- range $key, $value := . -}}
{{- if kindIs "map" $value -}}
{{- $_ := set $out $key (include "ml-model.compact" $value | fromYaml) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $out $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{/* What a Service selects by. Frozen: a Deployment's selector cannot be changed. */}}
{{- define "ml-model.selectorLabels" -}}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/name: {{ include "ml-model.name" . | quote }}
{{- end -}}

{{/* Label app.kubernetes.io/version: a label allows no "+" and 63 characters. */}}
{{- define "ml-model.versionLabel" -}}
{{- .Values.model.version | default .Chart.AppVersion | toString | replace "+" "_" | trunc 63 | trimAll "-_." -}}
{{- end -}}

{{/* Labels of an object. */}}
{{- define "ml-model.labels" -}}
{{- $own := dict
      "app.kubernetes.io/managed-by" .Release.Service
      "app.kubernetes.io/version" (include "ml-model.versionLabel" .)
      "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_.") -}}
{{- $selector := include "ml-model.selectorLabels" . | fromYaml -}}
{{- $common := include "ml-model.compact" .Values.commonLabels | fromYaml -}}
{{- toYaml (merge $selector $own $common) -}}
{{- end -}}

{{/* Labels of the pods: no version of the chart or of its application, or every chart upgrade would roll them. */}}
{{- define "ml-model.podLabels" -}}
{{- $own := dict -}}
{{- if .Values.model.version -}}
{{- $_ := set $own "app.kubernetes.io/version" (include "ml-model.versionLabel" .) -}}
{{- end -}}
{{- $selector := include "ml-model.selectorLabels" . | fromYaml -}}
{{- $pod := include "ml-model.compact" .Values.podLabels | fromYaml -}}
{{- $common := include "ml-model.compact" .Values.commonLabels | fromYaml -}}
{{- toYaml (merge $selector $own $pod $common) -}}
{{- end -}}

{{/* metadata of an object: include "ml-model.metadata" (dict "root" $ "suffix" "-test" "annotations" (dict)) */}}
{{- define "ml-model.metadata" -}}
name: {{ printf "%s%s" (include "ml-model.fullname" .root) (.suffix | default "") }}
namespace: {{ include "ml-model.namespace" .root }}
labels:
  {{- include "ml-model.labels" .root | nindent 2 }}
{{- $own := include "ml-model.compact" (.annotations | default dict) | fromYaml -}}
{{- $common := include "ml-model.compact" .root.Values.commonAnnotations | fromYaml -}}
{{- with merge $own $common }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An image's reference: registry/repository:tag@digest, of which the digest decides. */}}
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

{{/* Most pods that the release can have. */}}
{{- define "ml-model.mostReplicas" -}}
{{- if .Values.autoscaling.enabled -}}
{{- int .Values.autoscaling.maxReplicas -}}
{{- else if .Values.keda.enabled -}}
{{- int .Values.keda.maxReplicas -}}
{{- else -}}
{{- int .Values.replicaCount -}}
{{- end -}}
{{- end -}}

{{/* Something else owns the number of pods, so the Deployment must not name one. */}}
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

{{/* Environment of the model's container that the chart owns, by name; users extend it by .Values.env. */}}
{{- define "ml-model.ownEnv" -}}
MODEL_DIR: {value: /model}
{{- with .Values.model.digest }}
MODEL_DIGEST: {value: {{ . | quote }}}
{{- end }}
ORT_DISABLE_TELEMETRY: {value: "1"}
PORT: {value: "8080"}
PROMETHEUS_MULTIPROC_DIR: {value: /tmp/metrics}
{{- if .Values.metrics.ownPort }}
METRICS_PORT: {value: {{ int64 .Values.metrics.port | quote }}}
{{- end }}
{{- if ne (toString .Values.workers) "auto" }}
WORKERS: {value: {{ int64 .Values.workers | quote }}}
{{- end }}
{{- /* Without a value of its own the downward API answers with the node's cores, which would start a worker on each. */}}
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
{{- end -}}

{{/* Pull secrets of the release and of the parent chart, each once. */}}
{{- define "ml-model.pullSecrets" -}}
{{- $names := list -}}
{{- range concat (.Values.image.pullSecrets | default list) (.Values.global.imagePullSecrets | default list) -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- range $names | uniq }}
- name: {{ . }}
{{- end -}}
{{- end -}}

{{/* A number of pods or a percentage of them. */}}
{{- define "ml-model.intOrPercent" -}}
{{- if kindIs "string" . -}}{{ . | quote }}{{- else -}}{{ int64 . }}{{- end -}}
{{- end -}}

{{/* Most seconds from a pod's start until it is ready: first it may have to download. */}}
{{- define "ml-model.startSeconds" -}}
{{- add .Values.startBudgetSeconds (ternary .Values.model.download.timeoutSeconds 0 (ne .Values.model.download.url "")) -}}
{{- end -}}

{{/* Seconds after which a rollout counts as failed: the time to start and a minute to be scheduled and pulled. */}}
{{- define "ml-model.progressDeadlineSeconds" -}}
{{- if eq (toString .Values.progressDeadlineSeconds) "auto" -}}
{{- add (include "ml-model.startSeconds" .) .Values.minReadySeconds 60 -}}
{{- else -}}
{{- int64 .Values.progressDeadlineSeconds -}}
{{- end -}}
{{- end -}}

{{/* Egress rule for the cluster's DNS; unlike the Service's name, namespace and label are the same everywhere. */}}
{{- define "ml-model.dnsEgress" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
  to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
      podSelector:
        matchLabels:
          k8s-app: kube-dns
{{- end -}}

{{/* Ports of a Service. */}}
{{- define "ml-model.servicePorts" -}}
- name: http
  port: {{ int64 .Values.service.port }}
  targetPort: http
  protocol: TCP
  appProtocol: http
{{- if .Values.metrics.ownPort }}
- name: metrics
  port: {{ int64 .Values.metrics.port }}
  targetPort: metrics
  protocol: TCP
  appProtocol: http
{{- end }}
{{- end -}}

{{/* Name of the port that serves /metrics. */}}
{{- define "ml-model.metricsPort" -}}
{{- ternary "metrics" "http" .Values.metrics.ownPort -}}
{{- end -}}

{{/* Cores of a quantity of CPU: 250m is 0.25. */}}
{{- define "ml-model.cores" -}}
{{- $text := toString . -}}
{{- if hasSuffix "m" $text -}}{{ divf (trimSuffix "m" $text | float64) 1000 }}{{- else -}}{{ float64 $text }}{{- end -}}
{{- end -}}

{{/* MiB of a quantity of memory: 1Gi is 1024. */}}
{{- define "ml-model.mebibytes" -}}
{{- $text := ternary . (int64 . | toString) (kindIs "string" .) -}}
{{- $number := regexFind "^[0-9.]+" $text -}}
{{- $unit := trimPrefix $number $text -}}
{{- $bytes := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- divf (mulf (float64 $number) (get $bytes $unit | default 0)) 1048576 -}}
{{- end -}}

{{/* Worker processes, counted as the application counts them. */}}
{{- define "ml-model.workers" -}}
{{- if ne (toString .Values.workers) "auto" -}}
{{- int64 .Values.workers -}}
{{- else -}}
{{- $cpu := .Values.resources.limits.cpu | default .Values.resources.requests.cpu | default 1 -}}
{{- include "ml-model.cores" $cpu | float64 | ceil | max 1 -}}
{{- end -}}
{{- end -}}

{{/* Where the bundle comes from when the image does not hold it: volume and mount, empty otherwise. */}}
{{- define "ml-model.modelVolume" -}}
{{- if .Values.model.imageVolume.repository -}}
- name: model
  image:
    reference: {{ printf "%s:%s" .Values.model.imageVolume.repository .Values.model.version }}
    {{- with .Values.model.imageVolume.pullPolicy }}
    pullPolicy: {{ . }}
    {{- end }}
{{- else if .Values.model.claim.name -}}
- name: model
  persistentVolumeClaim:
    claimName: {{ .Values.model.claim.name }}
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
  subPath: {{ . }}
  {{- end }}
{{- end -}}
{{- end -}}
