{{/*
A batch predicts files in the pods of an Indexed Job. Its pods share the bundle, the image and the security of the
release and nothing else: no Service, budget, policy or monitor of the release selects them.
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

{{/* Every batch with its defaults, by name. */}}
{{- define "ml-model.batches" -}}
{{- $result := dict -}}
{{- $defaults := .Files.Get "files/batch.yaml" | fromYaml -}}
{{- range $name, $batch := include "ml-model.compact" .Values.batch | fromJson -}}
{{- $_ := set $result $name (include "ml-model.overlay" (dict "below" $defaults "above" $batch) | fromJson) -}}
{{- end -}}
{{- toJson $result -}}
{{- end -}}

{{/* Name of its objects. All below: include "ml-model.batch.name" (dict "root" $ "name" n "batch" b) */}}
{{- define "ml-model.batch.name" -}}
{{- printf "%s-batch-%s" (include "ml-model.fullname" .root) .name -}}
{{- end -}}

{{/* Labels that tell its pods from all others, those of the release first. */}}
{{- define "ml-model.batch.selectorLabels" -}}
app.kubernetes.io/name: {{ printf "%s-batch" (include "ml-model.name" .root | trunc 57 | trimSuffix "-") | quote }}
app.kubernetes.io/instance: {{ include "ml-model.batch.instance" . | quote }}
app.kubernetes.io/component: batch
{{- end -}}

{{- define "ml-model.batch.instance" -}}
{{- printf "%s-batch-%s" .root.Release.Name .name -}}
{{- end -}}

{{- define "ml-model.batch.podLabels" -}}
{{- $labels := include "ml-model.batch.selectorLabels" . | fromYaml -}}
{{- $version := dict -}}
{{- if .root.Values.model.version -}}
{{- $_ := set $version "app.kubernetes.io/version" (include "ml-model.versionLabel" .root) -}}
{{- end -}}
{{- $release := include "ml-model.compact" .root.Values.podLabels | fromYaml -}}
{{- $common := include "ml-model.compact" .root.Values.commonLabels | fromYaml -}}
{{- toYaml (merge $labels $version (deepCopy .batch.podLabels) $release $common) -}}
{{- end -}}

{{/* The image: the release's, or one of its own, of which tag and digest belong together. */}}
{{- define "ml-model.batch.image" -}}
{{- $image := .root.Values.image -}}
{{- with .batch.image -}}
{{- if or .repository .tag .digest -}}
{{- $place := ternary . $image (ne .repository "") -}}
{{- $image = dict "registry" $place.registry "repository" $place.repository "tag" .tag "digest" .digest -}}
{{- end -}}
{{- end -}}
{{- include "ml-model.reference" (dict "root" .root "image" $image) -}}
{{- end -}}

{{/* A text of users as one argument: Kubernetes would replace $(NAME). */}}
{{- define "ml-model.batch.argument" -}}
{{- replace "$" "$$" . | quote -}}
{{- end -}}

{{- define "ml-model.batch.args" -}}
{{- range $_, $input := .batch.inputs }}
- {{ printf "--input=%s" (tpl $input $.root) | include "ml-model.batch.argument" }}
{{- end }}
# A folder for each run: $(JOB_NAME) is expanded by Kubernetes.
- {{ printf "%s/$(JOB_NAME)" (tpl .batch.out .root | trimSuffix "/" | printf "--out=%s" | replace "$" "$$") | quote }}
- {{ printf "--shard-rows=%d" (int64 .batch.shardRows) }}
- {{ printf "--chunk-rows=%d" (int64 .batch.chunkRows) }}
- {{ printf "--pods=%d" (int64 .batch.pods) }}
- {{ printf "--plan-timeout=%d" (int64 .batch.planTimeoutSeconds) }}
{{- if ne (toString .batch.maxRejected) "auto" }}
- {{ printf "--max-rejected=%s" (toString .batch.maxRejected) }}
{{- end }}
{{- range .batch.passthrough }}
- {{ printf "--passthrough=%s" . | include "ml-model.batch.argument" }}
{{- end }}
{{- range .batch.ignore }}
- {{ printf "--ignore=%s" . | include "ml-model.batch.argument" }}
{{- end }}
{{- if .batch.probabilities }}
- --probabilities
{{- end }}
{{- end -}}

{{/* Environment variables that the chart sets, by name; Kubernetes adds JOB_COMPLETION_INDEX. */}}
{{- define "ml-model.batch.ownEnv" -}}
CPU_REQUEST: {valueFrom: {resourceFieldRef: {containerName: batch, resource: requests.cpu, divisor: "1"}}}
JOB_NAME: {valueFrom: {fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/job-name']"}}}
LOG_LEVEL: {value: {{ .root.Values.config.logLevel | quote }}}
{{- if .batch.metrics.enabled }}
METRICS_PORT: {value: {{ int64 .batch.metrics.port | quote }}}
{{- end }}
MODEL_DIR: {value: /model}
{{- with .root.Values.model.digest }}
MODEL_DIGEST: {value: {{ . | quote }}}
{{- end }}
ORT_DISABLE_TELEMETRY: {value: "1"}
{{- end -}}

{{- define "ml-model.batch.reservedEnv" -}}
{{- $own := include "ml-model.batch.ownEnv" . | fromYaml | keys -}}
{{- concat $own (list "JOB_COMPLETION_INDEX" "METRICS_PORT" "MODEL_DIGEST" "TMPDIR") | toJson -}}
{{- end -}}

{{/* Template of its pods. */}}
{{- define "ml-model.batch.podTemplate" -}}
{{- $values := .root.Values -}}
metadata:
  labels:
    {{- include "ml-model.batch.podLabels" . | nindent 4 }}
  annotations:
    {{- $own := dict "kubectl.kubernetes.io/default-container" "batch" }}
    {{- $pod := include "ml-model.compact" $values.podAnnotations | fromYaml }}
    {{- $common := include "ml-model.compact" $values.commonAnnotations | fromYaml }}
    {{- toYaml (merge $own (deepCopy .batch.podAnnotations) $pod $common) | nindent 4 }}
spec:
  restartPolicy: Never
  {{- with include "ml-model.pullSecrets" .root | trim }}
  imagePullSecrets:
    {{- . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ .batch.serviceAccountName | default (include "ml-model.serviceAccountName" .root) | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- if not $values.security.hostUsers }}
  hostUsers: false
  {{- end }}
  securityContext:
    {{- include "ml-model.podSecurityContext" .root | nindent 4 }}
  {{- with .batch.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .batch.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .batch.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .batch.tolerations }}
  tolerations:
    {{- range . }}
    - {{ toYaml . | indent 6 | trim }}
    {{- end }}
  {{- end }}
  {{- with include "ml-model.bundleContainers" .root | trim }}
  initContainers:
    {{- . | nindent 4 }}
  {{- end }}
  containers:
    - name: batch
      image: {{ include "ml-model.batch.image" . }}
      {{- with .batch.image.pullPolicy | default $values.image.pullPolicy }}
      imagePullPolicy: {{ . }}
      {{- end }}
      command: [python, -m, app.batch]
      args:
        {{- include "ml-model.batch.args" . | trim | nindent 8 }}
      # Puts the last log line, the reason of a refusal, into the pod's status.
      terminationMessagePolicy: FallbackToLogsOnError
      securityContext:
        {{- include "ml-model.containerSecurityContext" .root | nindent 8 }}
      {{- if .batch.metrics.enabled }}
      ports:
        - name: metrics
          containerPort: {{ int64 .batch.metrics.port }}
          protocol: TCP
      {{- end }}
      {{- with .batch.envFrom }}
      envFrom:
        {{- range . }}
        - {{ toYaml . | indent 10 | trim }}
        {{- end }}
      {{- end }}
      env:
        {{- $env := include "ml-model.batch.ownEnv" . | fromYaml }}
        {{- include "ml-model.env" (merge $env .batch.env) | trim | nindent 8 }}
      resources:
        {{- /* What /tmp may take from the node's disk, so that the node has it. */}}
        {{- $disk := dict "requests" (dict "ephemeral-storage" .batch.tmpSize) }}
        {{- toYaml (merge $disk (deepCopy .batch.resources)) | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- with include "ml-model.modelMount" .root }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- range $name, $volume := .batch.volumes }}
        - name: {{ $name | quote }}
          mountPath: {{ $volume.mountPath | quote }}
          readOnly: {{ ternary $volume.readOnly true (hasKey $volume "readOnly") }}
          {{- with $volume.subPath }}
          subPath: {{ . | quote }}
          {{- end }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: {{ .batch.tmpSize }}
    {{- with include "ml-model.modelVolume" .root }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with include "ml-model.signatureVolume" .root }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- range $name, $volume := .batch.volumes }}
    - name: {{ $name | quote }}
      {{- toYaml $volume.source | nindent 6 }}
    {{- end }}
{{- end -}}

{{/* Spec of a run: Indexed, so that each pod knows its share of the parts. */}}
{{- define "ml-model.batch.jobSpec" -}}
completionMode: Indexed
completions: {{ int64 .batch.pods }}
parallelism: {{ int64 .batch.pods }}
backoffLimitPerIndex: {{ int64 .batch.backoffLimitPerIndex }}
maxFailedIndexes: {{ int64 .batch.maxFailedIndexes }}
# Of two pods with the same index, both would write the same parts.
podReplacementPolicy: Failed
podFailurePolicy:
  rules:
    # Refused: another try would find the same bundle, input or corrupt row group. Not FailJob: whether the other pods
    # go on is up to maxFailedIndexes, by default they do not.
    - action: FailIndex
      onExitCodes:
        operator: In
        values: [3]
    # Evicted, preempted, or its node is gone: parts that are written stay written, and it costs no retry.
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
activeDeadlineSeconds: {{ int64 .batch.activeDeadlineSeconds }}
ttlSecondsAfterFinished: {{ int64 .batch.ttlSecondsAfterFinished }}
template:
  {{- include "ml-model.batch.podTemplate" . | nindent 2 }}
{{- end -}}

{{/* Whether a place is a URL of a store, and not a path in a volume. */}}
{{- define "ml-model.batch.isUrl" -}}
{{- if contains "://" . -}}true{{- end -}}
{{- end -}}

{{/*
Words of the alerts of batches, for `each` in files/rules.yaml: of all, of those that can be late, and of those that can
be slow. A variant has none.
*/}}
{{- define "ml-model.batch.lists" -}}
{{- $all := list -}}
{{- $scheduled := list -}}
{{- range $name, $batch := ternary "{}" (include "ml-model.batches" .) (hasKey . "variant") | fromJson -}}
{{- $slow := $batch.alerts.slowMinutes -}}
{{- if eq (toString $slow) "auto" -}}
{{- $slow = max 1 (div $batch.activeDeadlineSeconds 120) -}}
{{- end -}}
{{- $late := $batch.alerts.lateHours -}}
{{- if or (not $batch.schedule) $batch.suspend -}}
{{- $late = 0 -}}
{{- else if eq (toString $late) "auto" -}}
{{- $late = divf $batch.activeDeadlineSeconds 3600 | ceil | int64 | add (include "ml-model.cron.periodHours" $batch.schedule) -}}
{{- end -}}
{{- $words := dict
      "batch" $name
      "cronjob" (include "ml-model.batch.name" (dict "root" $ "name" $name))
      "slowMinutes" (int64 $slow | toString)
      "lateHours" (int64 $late | toString) -}}
{{- $all = append $all $words -}}
{{- if int64 $late -}}{{- $scheduled = append $scheduled $words -}}{{- end -}}
{{- end -}}
{{- $watched := list -}}
{{- range $all -}}{{- if ne .slowMinutes "0" -}}{{- $watched = append $watched . -}}{{- end -}}{{- end -}}
{{- dict "batches" $all "batchesScheduled" $scheduled "batchesTimed" $watched | toJson -}}
{{- end -}}
