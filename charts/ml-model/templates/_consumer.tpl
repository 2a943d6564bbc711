{{/*
A consumer answers the requests of a queue. It is rendered from the release's own templates, in a context of its own:
the root with `consumer`, and with values in which image, resources, replicas and what scales them are the consumer's.
*/}}

{{/* Schemes of brokers, each with its port. The next broker is one more here. */}}
{{- define "ml-model.consumer.brokers" -}}
{"nats": 4222, "tls": 4222, "redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671, "kafka": 9092, "kafka+ssl": 9092}
{{- end -}}

{{/* Schemes of other stores for answers than the broker of the requests. A file needs no port. */}}
{{- define "ml-model.consumer.stores" -}}
{"nats": 4222, "tls": 4222, "redis": 6379, "rediss": 6379, "s3": 443, "gs": 443, "az": 443, "file": 0}
{{- end -}}

{{- define "ml-model.consumer.isRedis" -}}
{{- if hasPrefix "redis" .Values.consumer.queue.url -}}true{{- end -}}
{{- end -}}

{{- define "ml-model.consumer.isNats" -}}
{{- if regexMatch "^(nats|tls)://" .Values.consumer.queue.url -}}true{{- end -}}
{{- end -}}

{{/* Names of the queue and of what belongs to it, as JSON: QUEUE_NAME, QUEUE_GROUP, QUEUE_DEAD, QUEUE_REPLIES. */}}
{{- define "ml-model.consumer.names" -}}
{{- $consumer := .Values.consumer -}}
{{- $model := include "ml-model.modelName" . -}}
{{- $name := $consumer.queue.name | default $model -}}
{{- dict
      "name" $name
      "group" ($consumer.queue.group | default $model)
      "dead" ($consumer.queue.dead | default (printf "%s-dead" $name))
      "replies" ($consumer.replies.name | default (printf "%s-replies" $name)) | toJson -}}
{{- end -}}

{{/* Environment variables of a consumer beside those of the service, by name. */}}
{{- define "ml-model.consumer.env" -}}
{{- $consumer := .Values.consumer -}}
{{- $names := include "ml-model.consumer.names" . | fromJson -}}
{{- $credentials := $consumer.credentials -}}
QUEUE_ACK_SECONDS: {value: {{ int64 $consumer.queue.ackSeconds | quote }}}
QUEUE_DEAD: {value: {{ $names.dead | quote }}}
QUEUE_GROUP: {value: {{ $names.group | quote }}}
QUEUE_MAX_DELIVERIES: {value: {{ int64 $consumer.queue.maxDeliveries | quote }}}
QUEUE_NAME: {value: {{ $names.name | quote }}}
QUEUE_PATH: {value: {{ $consumer.queue.path | replace "$" "$$" | quote }}}
QUEUE_PREFETCH: {value: {{ int64 $consumer.queue.prefetch | quote }}}
QUEUE_REPLIES: {value: {{ $names.replies | quote }}}
QUEUE_RETRY_SECONDS: {value: {{ $consumer.queue.retrySeconds | toString | quote }}}
QUEUE_URL: {value: {{ $consumer.queue.url | replace "$" "$$" | quote }}}
REPLY_HOURS: {value: {{ $consumer.replies.hours | toString | quote }}}
{{- with $consumer.replies.url }}
REPLY_URL: {value: {{ replace "$" "$$" . | quote }}}
{{- end }}
{{- range $variable, $key := dict "QUEUE_USER" $credentials.user "QUEUE_PASSWORD" $credentials.password }}
{{- if $key }}
{{ $variable }}: {valueFrom: {secretKeyRef: {name: {{ $credentials.secretName | quote }}, key: {{ $key | quote }}}}}
{{- end }}
{{- end }}
{{- range $variable, $file := include "ml-model.consumer.files" . | fromJson }}
{{ $variable }}: {value: {{ printf "/etc/queue/%s" $file.path | quote }}}
{{- end }}
{{- end -}}

{{/* Files of the Secret, by the variable that names each. */}}
{{- define "ml-model.consumer.files" -}}
{{- $credentials := .Values.consumer.credentials -}}
{{- $files := dict -}}
{{- range $variable, $file := dict
      "QUEUE_CREDENTIALS" (list $credentials.file "user.creds")
      "QUEUE_CA" (list $credentials.ca "ca.crt")
      "QUEUE_CERT" (list $credentials.certificate "tls.crt")
      "QUEUE_KEY" (list $credentials.key "tls.key") -}}
{{- if first $file -}}
{{- $_ := set $files $variable (dict "key" (first $file) "path" (last $file)) -}}
{{- end -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/* Names of the variables that users of a consumer may not set beside those of the service. */}}
{{- define "ml-model.consumer.reservedEnv" -}}
{{- $names := list "QUEUE_CA" "QUEUE_CERT" "QUEUE_CREDENTIALS" "QUEUE_KEY" "QUEUE_PASSWORD" "QUEUE_USER" "REPLY_URL" -}}
{{- concat $names (include "ml-model.consumer.env" . | fromYaml | keys) | uniq | toJson -}}
{{- end -}}

{{/* Scheme, host and port of a URL, of several hosts the first, as JSON; the port is 0 if there is none. */}}
{{- define "ml-model.consumer.address" -}}
{{- $scheme := splitList "://" . | first -}}
{{- $rest := regexReplaceAll "[/?#].*$" (trimPrefix (printf "%s://" $scheme) .) "" -}}
{{- $place := regexReplaceAll "^.*@" $rest "" | splitList "," | first -}}
{{- $named := regexFind ":[0-9]+$" $place -}}
{{- $known := merge (include "ml-model.consumer.brokers" . | fromJson) (include "ml-model.consumer.stores" . | fromJson) -}}
{{- $port := trimPrefix ":" $named | default (get $known $scheme | default 0 | toString) -}}
{{- dict "scheme" $scheme "host" (trimSuffix $named $place) "port" (int64 $port) | toJson -}}
{{- end -}}

{{/*
Peers of an address, as JSON: those of the values, or the namespace of the Service that its host names; empty if
neither tells. include "ml-model.consumer.peers" (dict "root" $ "url" u "egress" e)
*/}}
{{- define "ml-model.consumer.peers" -}}
{{- $peers := include "ml-model.compact" .egress.to | fromJson -}}
{{- if not $peers -}}
{{- $address := include "ml-model.consumer.address" .url | fromJson -}}
{{- $host := $address.host | trimSuffix ".cluster.local" -}}
{{- $parts := trimSuffix ".svc" $host | splitList "." -}}
{{- $isService := hasKey (include "ml-model.consumer.brokers" . | fromJson) $address.scheme -}}
{{- if and $isService (regexMatch "^[a-z]" $host) (le (len $parts) 2) -}}
{{- $namespace := ternary (include "ml-model.namespace" .root) (last $parts) (eq (len $parts) 1) -}}
{{- $labels := dict "kubernetes.io/metadata.name" $namespace -}}
{{- $peers = dict "service" (dict "namespaceSelector" (dict "matchLabels" $labels)) -}}
{{- end -}}
{{- end -}}
{{- toJson $peers -}}
{{- end -}}

{{/* Egress rules of a consumer beside those of the release, by name, as JSON. */}}
{{- define "ml-model.consumer.egress" -}}
{{- $rules := dict -}}
{{- range $name, $place := dict "queue" .Values.consumer.queue "replies" .Values.consumer.replies -}}
{{- if $place.url -}}
{{- $address := include "ml-model.consumer.address" $place.url | fromJson -}}
{{- $port := ternary $address.port $place.egress.port (eq (toString $place.egress.port) "auto") | int64 -}}
{{- $peers := include "ml-model.consumer.peers" (dict "root" $ "url" $place.url "egress" $place.egress) | fromJson -}}
{{- if and $port $peers -}}
{{- $to := list -}}
{{- range $peers -}}{{- $to = append $to . -}}{{- end -}}
{{- $ports := list (dict "port" $port "protocol" "TCP") -}}
{{- $_ := set $rules (printf "consumer-%s" $name) (dict "ports" $ports "to" $to) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $rules -}}
{{- end -}}

{{/* What KEDA asks the broker, as JSON. https://keda.sh/docs/2.21/scalers/ */}}
{{- define "ml-model.consumer.trigger" -}}
{{- $consumer := .Values.consumer -}}
{{- $names := include "ml-model.consumer.names" . | fromJson -}}
{{- $target := int64 $consumer.autoscaling.messagesPerPod | toString -}}
{{- if include "ml-model.consumer.isRedis" . -}}
{{- $address := include "ml-model.consumer.address" $consumer.queue.url | fromJson -}}
{{- /* The length, for which no group may be named: what is answered is deleted from the stream. */ -}}
{{- $metadata := dict
      "address" (printf "%s:%d" $address.host (int64 $address.port))
      "databaseIndex" (regexFind "/[0-9]+$" $consumer.queue.url | trimPrefix "/" | default "0")
      "enableTLS" (eq $address.scheme "rediss" | toString)
      "stream" $names.name
      "streamLength" $target -}}
{{- $trigger := dict "type" "redis-streams" "metadata" $metadata -}}
{{- if include "ml-model.consumer.authentication" . -}}
{{- $_ := set $trigger "authenticationRef" (dict "name" (printf "%s-consumer" (include "ml-model.fullname" .))) -}}
{{- end -}}
{{- toJson $trigger -}}
{{- else -}}
{{- $metadata := dict
      "natsServerMonitoringEndpoint" $consumer.autoscaling.nats.endpoint
      "account" $consumer.autoscaling.nats.account
      "stream" $names.name
      "consumer" $names.group
      "lagThreshold" $target
      "useHttps" (toString $consumer.autoscaling.nats.https) -}}
{{- dict "type" "nats-jetstream" "metadata" $metadata | toJson -}}
{{- end -}}
{{- end -}}

{{/* Keys of the Secret that KEDA reads to ask the broker; empty if it needs none. */}}
{{- define "ml-model.consumer.authentication" -}}
{{- $credentials := .Values.consumer.credentials -}}
{{- if include "ml-model.consumer.isRedis" . -}}
{{- range $parameter, $key := dict
      "username" $credentials.user
      "password" $credentials.password
      "ca" $credentials.ca
      "cert" $credentials.certificate
      "key" $credentials.key }}
{{- if $key }}
- parameter: {{ $parameter }}
  name: {{ $credentials.secretName | quote }}
  key: {{ $key | quote }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* The values of the release with those of its consumer, as JSON. */}}
{{- define "ml-model.consumer.values" -}}
{{- $values := deepCopy .Values -}}
{{- $consumer := $values.consumer -}}
{{- $_ := set $values "image" (include "ml-model.ownImage" (dict "root" . "image" $consumer.image) | fromJson) -}}
{{- $_ := set $values "resources" $consumer.resources -}}
{{- $_ := set $values "resizePolicy" dict -}}
{{- $_ := set $values "workers" 1 -}}
{{- $_ := set $values "replicaCount" $consumer.replicas -}}
{{- range $part := list "env" "envFrom" -}}
{{- $more := include "ml-model.compact" (index $consumer $part) | fromJson -}}
{{- range $name, $entry := $more -}}{{- $_ := set (index $values $part) $name $entry -}}{{- end -}}
{{- end -}}
{{- /* Its front speaks HTTP only. */ -}}
{{- $_ := set $values.probes "protocol" "http" -}}
{{- /* It has no endpoint that has to propagate. After the answers that it gives it tells the broker what it returns. */ -}}
{{- $_ := set $values.shutdown "preStopSeconds" 0 -}}
{{- $least := add $values.shutdown.gracefulSeconds 10 -}}
{{- $_ := set $values.shutdown "gracePeriodSeconds" (max $values.shutdown.gracePeriodSeconds $least) -}}
{{- with include "ml-model.consumer.files" . | fromJson -}}
{{- $items := list -}}
{{- range . -}}{{- $items = append $items . -}}{{- end -}}
{{- $secret := dict "secretName" $consumer.credentials.secretName "defaultMode" 288 "items" $items -}}
{{- $_ := set $values.volumes "queue-credentials" (dict "source" (dict "secret" $secret) "mountPath" "/etc/queue") -}}
{{- end -}}
{{- $_ := set $values.rollout "strategy" "rolling" -}}
{{- $_ := set $values.rollout "keepDeployment" false -}}
{{- /* Nobody calls it, the chart's own test neither. */ -}}
{{- $_ := set $values.networkPolicy "from" dict -}}
{{- $_ := set $values.test "enabled" false -}}
{{- $_ := set $values.istio "waypoint" "" -}}
{{- range $name, $rule := include "ml-model.consumer.egress" . | fromJson -}}
{{- $_ := set $values.networkPolicy.egress $name $rule -}}
{{- end -}}
{{- with $values.metrics.monitor -}}{{- $_ := set $values.metrics "monitor" "PodMonitor" -}}{{- end -}}
{{- $_ := set $values.autoscaling "enabled" false -}}
{{- range $key := list "enabled" "minReplicas" "maxReplicas" "pollingInterval" "cooldownPeriod" -}}
{{- $_ := set $values.keda $key (index $consumer.autoscaling $key) -}}
{{- end -}}
{{- $_ := set $values.keda.prometheus "serverAddress" "" -}}
{{- $_ := set $values.keda "triggers" (dict "queue" (include "ml-model.consumer.trigger" . | fromJson)) -}}
{{- toJson $values -}}
{{- end -}}
