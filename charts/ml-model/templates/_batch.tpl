{{/*
A batch predicts files in the pods of an Indexed Job. Its pods share the bundle, the image and the security of the
release and nothing else: no Service, budget, policy or monitor of the release selects them.
*/}}

{{/* Every batch with its defaults, by name. */}}
{{- define "ml-model.batches" -}}
{{- include "ml-model.jobs" (dict "root" . "kind" "batch") -}}
{{- end -}}

{{- define "ml-model.batch.args" -}}
{{- range $_, $input := .batch.inputs }}
- {{ printf "--input=%s" (tpl $input $.root) | include "ml-model.job.argument" }}
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
- {{ printf "--passthrough=%s" . | include "ml-model.job.argument" }}
{{- end }}
{{- range .batch.ignore }}
- {{ printf "--ignore=%s" . | include "ml-model.job.argument" }}
{{- end }}
{{- if .batch.probabilities }}
- --probabilities
{{- end }}
{{- if .batch.explain }}
- --explain
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
{{ include "ml-model.job.podHead" . }}
  {{- with include "ml-model.bundleContainers" .root | trim }}
  initContainers:
    {{- . | nindent 4 }}
  {{- end }}
  containers:
    - name: batch
      image: {{ include "ml-model.job.image" . | quote }}
      {{- with .batch.image.pullPolicy | default .root.Values.image.pullPolicy }}
      imagePullPolicy: {{ . | quote }}
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
      {{- include "ml-model.job.env" (dict "job" .batch "own" (include "ml-model.batch.ownEnv" . | fromYaml)) | nindent 6 }}
      resources:
        {{- /* What /tmp may take from the node's disk, so that the node has it. */}}
        {{- $disk := dict "requests" (dict "ephemeral-storage" .batch.tmpSize) }}
        {{- include "ml-model.resources" (merge $disk (deepCopy .batch.resources)) | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- with include "ml-model.modelMount" .root }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- range $name, $volume := .batch.volumes }}
        - {{ include "ml-model.mount" (dict "name" $name "mount" $volume) | indent 10 | trim }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: {{ .batch.tmpSize | quote }}
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
{{- $late := include "ml-model.job.lateHours" (dict "job" $batch) -}}
{{- $words := dict
      "batch" $name
      "cronjob" (include "ml-model.job.name" (dict "root" $ "kind" "batch" "name" $name))
      "slowMinutes" (int64 $slow | toString)
      "lateHours" $late -}}
{{- $all = append $all $words -}}
{{- if ne $late "0" -}}{{- $scheduled = append $scheduled $words -}}{{- end -}}
{{- end -}}
{{- $watched := list -}}
{{- range $all -}}{{- if ne .slowMinutes "0" -}}{{- $watched = append $watched . -}}{{- end -}}{{- end -}}
{{- dict "batches" $all "batchesScheduled" $scheduled "batchesTimed" $watched | toJson -}}
{{- end -}}
