{{/*
A training runs `modelctl train` in the trainer's image. Its pods share the security of the release and what is common,
and not its bundle: what they write to a store is a proposal, and git says what serves.
*/}}

{{/* Every training with its defaults, by name. */}}
{{- define "ml-model.trainings" -}}
{{- include "ml-model.jobs" (dict "root" . "kind" "training") -}}
{{- end -}}

{{/* All below: include "ml-model.training.model" (dict "root" $ "kind" "training" "name" n "job" t) */}}
{{- define "ml-model.training.model" -}}
{{- .job.model | default (include "ml-model.modelName" .root) -}}
{{- end -}}

{{/*
The root with its queue in the place of the consumer's, as JSON, for templates of consumers. One message at a time, and
one Job for each: messagesPerPod is 1.
*/}}
{{- define "ml-model.training.values" -}}
{{- $model := include "ml-model.training.model" . -}}
{{- $job := .job -}}
{{- $queue := merge (dict "name" ($job.queue.name | default (printf "%s-trainings" $model))) $job.queue -}}
{{- $replies := merge (dict "url" "" "egress" (dict "to" dict "port" "auto")) $job.replies -}}
{{- $consumer := dict
      "queue" (merge (dict "path" "/" "prefetch" 1) $queue)
      "replies" $replies
      "credentials" $job.credentials
      "autoscaling" (dict "messagesPerPod" 1 "nats" $job.keda.nats) -}}
{{- $values := omit .root.Values "consumer" "model" -}}
{{- toJson (merge (dict "consumer" $consumer "model" (dict "name" $model)) $values) -}}
{{- end -}}

{{- define "ml-model.training.isRabbit" -}}
{{- if hasPrefix "amqp" .job.queue.url -}}true{{- end -}}
{{- end -}}

{{/* Environment variables that the chart sets, by name. */}}
{{- define "ml-model.training.ownEnv" -}}
JOB_NAME: {valueFrom: {fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/job-name']"}}}
{{- if .job.queue.url }}
{{- $context := set (omit .root "Values") "Values" (include "ml-model.training.values" . | fromJson) }}
{{ omit (include "ml-model.consumer.env" $context | fromYaml) "QUEUE_PATH" "QUEUE_PREFETCH" | toYaml }}
{{- end }}
{{- end -}}

{{- define "ml-model.training.reservedEnv" -}}
{{- $context := set (omit .root "Values") "Values" (include "ml-model.training.values" . | fromJson) -}}
{{- $queue := include "ml-model.consumer.reservedEnv" $context | fromJsonArray -}}
{{- concat $queue (list "JOB_NAME" "MODEL_ORIGINS" "TMPDIR" "TRAINING_REQUEST") | toJson -}}
{{- end -}}

{{/* Template of its pods. */}}
{{- define "ml-model.training.podTemplate" -}}
{{- $context := set (omit .root "Values") "Values" (include "ml-model.training.values" . | fromJson) -}}
{{- $files := list -}}
{{- if .job.queue.url -}}
{{- range include "ml-model.consumer.files" $context | fromJson -}}{{- $files = append $files . -}}{{- end -}}
{{- end -}}
{{ include "ml-model.job.podHead" . }}
  containers:
    - name: training
      image: {{ include "ml-model.job.image" . | quote }}
      {{- with .job.image.pullPolicy | default .root.Values.image.pullPolicy }}
      imagePullPolicy: {{ . | quote }}
      {{- end }}
      command: [python, -m, modelctl]
      args:
        - train
        - {{ include "ml-model.training.model" . | include "ml-model.job.argument" }}
        - {{ tpl .job.out .root | trimSuffix "/" | printf "--out=%s" | include "ml-model.job.argument" }}
        {{- if .job.queue.url }}
        - --queue
        {{- else }}
        # $(JOB_NAME) is expanded by Kubernetes: a pod that is tried again finds what the one before it has published.
        - --request=$(JOB_NAME)
        {{- end }}
      # Puts the last log line, the reason of a refusal, into the pod's status.
      terminationMessagePolicy: FallbackToLogsOnError
      securityContext:
        {{- include "ml-model.containerSecurityContext" .root | nindent 8 }}
      {{- $own := include "ml-model.training.ownEnv" . | fromYaml }}
      {{- include "ml-model.job.env" (dict "job" .job "own" $own) | nindent 6 }}
      resources:
        {{- /* What is built takes the node's disk, so that the node has it. */}}
        {{- $disk := dict "requests" (dict "ephemeral-storage" .job.buildSize) }}
        {{- include "ml-model.resources" (merge $disk (deepCopy .job.resources)) | nindent 8 }}
      volumeMounts:
        - name: build
          mountPath: /repository/build
        - name: tmp
          mountPath: /tmp
        {{- if $files }}
        - name: queue-credentials
          mountPath: /etc/queue
          readOnly: true
        {{- end }}
        {{- range $name, $volume := .job.volumes }}
        - {{ include "ml-model.mount" (dict "name" $name "mount" $volume) | indent 10 | trim }}
        {{- end }}
  volumes:
    - name: build
      emptyDir:
        sizeLimit: {{ .job.buildSize | quote }}
    - name: tmp
      emptyDir:
        sizeLimit: {{ .job.tmpSize | quote }}
    {{- if $files }}
    - name: queue-credentials
      secret:
        secretName: {{ .job.credentials.secretName | quote }}
        defaultMode: 288
        items:
          {{- toYaml $files | nindent 10 }}
    {{- end }}
    {{- range $name, $volume := .job.volumes }}
    - name: {{ $name | quote }}
      {{- toYaml $volume.source | nindent 6 }}
    {{- end }}
{{- end -}}

{{/* Spec of a run. */}}
{{- define "ml-model.training.jobSpec" -}}
completions: 1
parallelism: 1
{{- /* Of a queue each delivery is a Job: a second pod after the last delivery would find nothing, and call it a success. */}}
backoffLimit: {{ ternary 0 (int64 .job.backoffLimit) (ne .job.queue.url "") }}
# Of two pods of a run, both would train.
podReplacementPolicy: Failed
podFailurePolicy:
  rules:
    # Refused by data expectations or the quality gate: another try would be too.
    - action: FailJob
      onExitCodes:
        operator: In
        values: [3]
    # Evicted, preempted, or its node is gone: another pod begins anew, and it costs no retry.
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
activeDeadlineSeconds: {{ int64 .job.activeDeadlineSeconds }}
ttlSecondsAfterFinished: {{ int64 .job.ttlSecondsAfterFinished }}
template:
  {{- include "ml-model.training.podTemplate" . | nindent 2 }}
{{- end -}}

{{/* What KEDA asks the broker, as JSON: of all three the number of messages with those that are worked on. */}}
{{- define "ml-model.training.trigger" -}}
{{- $context := set (omit .root "Values") "Values" (include "ml-model.training.values" . | fromJson) -}}
{{- $trigger := dict -}}
{{- if include "ml-model.training.isRabbit" . -}}
{{- $names := include "ml-model.consumer.names" $context | fromJson -}}
{{- $vhost := regexReplaceAll "^[a-z]+://[^/]*/?" .job.queue.url "" -}}
{{- $metadata := dict
      "protocol" "http"
      "host" .job.keda.rabbitmq.endpoint
      "vhostName" (default "/" $vhost)
      "queueName" $names.name
      "mode" "QueueLength"
      "value" "1"
      "excludeUnacknowledged" "false" -}}
{{- $trigger = dict "type" "rabbitmq" "metadata" $metadata -}}
{{- else -}}
{{- $trigger = omit (include "ml-model.consumer.trigger" $context | fromJson) "authenticationRef" -}}
{{- end -}}
{{- if include "ml-model.training.authentication" . -}}
{{- $_ := set $trigger "authenticationRef" (dict "name" (include "ml-model.job.name" .)) -}}
{{- end -}}
{{- toJson $trigger -}}
{{- end -}}

{{/* Keys of the Secret that KEDA reads to ask the broker; empty if it needs none. */}}
{{- define "ml-model.training.authentication" -}}
{{- $credentials := .job.credentials -}}
{{- if include "ml-model.training.isRabbit" . -}}
{{- range $parameter, $key := dict "username" $credentials.user "password" $credentials.password }}
{{- if $key }}
- parameter: {{ $parameter }}
  name: {{ $credentials.secretName | quote }}
  key: {{ $key | quote }}
{{- end }}
{{- end }}
{{- else if .job.queue.url -}}
{{- include "ml-model.consumer.authentication" (set (omit .root "Values") "Values" (include "ml-model.training.values" . | fromJson)) -}}
{{- end -}}
{{- end -}}

{{/* Where its pods may connect to beside DNS, by name, as JSON. */}}
{{- define "ml-model.training.egress" -}}
{{- $rules := dict -}}
{{- range $name, $rule := .job.egress -}}{{- $_ := set $rules $name $rule -}}{{- end -}}
{{- if .job.queue.url -}}
{{- $context := set (omit .root "Values") "Values" (include "ml-model.training.values" . | fromJson) -}}
{{- range $name, $rule := include "ml-model.consumer.egress" $context | fromJson -}}
{{- $_ := set $rules $name $rule -}}
{{- end -}}
{{- end -}}
{{- toJson $rules -}}
{{- end -}}

{{/*
Words of the alerts of trainings, for `each` in files/rules.yaml: of all, and of those that can be late. A variant has
none.
*/}}
{{- define "ml-model.training.lists" -}}
{{- $all := list -}}
{{- $scheduled := list -}}
{{- range $name, $training := ternary "{}" (include "ml-model.trainings" .) (hasKey . "variant") | fromJson -}}
{{- $late := include "ml-model.job.lateHours" (dict "job" $training) -}}
{{- $words := dict
      "training" $name
      "trainer" (include "ml-model.job.name" (dict "root" $ "kind" "training" "name" $name))
      "lateHours" $late -}}
{{- $all = append $all $words -}}
{{- if ne $late "0" -}}{{- $scheduled = append $scheduled $words -}}{{- end -}}
{{- end -}}
{{- dict "trainings" $all "trainingsScheduled" $scheduled | toJson -}}
{{- end -}}
