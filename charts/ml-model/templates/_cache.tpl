{{/*
The cache of predictions: variables, files, egress and memory of every pod that answers requests, the service's and the
consumer's.
*/}}

{{/* Environment variables, by name; none without a cache. */}}
{{- define "ml-model.cache.env" -}}
{{- with .Values.cache -}}
{{- if .enabled -}}
CACHE_BYTES: {value: {{ int64 .bytes | quote }}}
{{- if .redis.url }}
CACHE_BUDGET_MS: {value: {{ .redis.budgetMs | toString | quote }}}
CACHE_TTL_SECONDS: {value: {{ .redis.ttlSeconds | toString | quote }}}
CACHE_URL: {value: {{ .redis.url | replace "$" "$$" | quote }}}
{{- $secret := .credentials.secretName }}
{{- range $variable, $key := dict "CACHE_USER" .credentials.user "CACHE_PASSWORD" .credentials.password "CACHE_SECRET" .credentials.secret }}
{{- if $key }}
{{ $variable }}: {valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: {{ $key | quote }}}}}
{{- end }}
{{- end }}
{{- range $variable, $file := include "ml-model.cache.files" $ | fromJson }}
{{ $variable }}: {value: {{ printf "/etc/cache/%s" $file.path | quote }}}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Names of the variables that the chart may set. */}}
{{- define "ml-model.cache.reservedEnv" -}}
{{- if .Values.cache.enabled -}}
{{- list "CACHE_BUDGET_MS" "CACHE_BYTES" "CACHE_CA" "CACHE_CERT" "CACHE_KEY" "CACHE_PASSWORD" "CACHE_SECRET" "CACHE_TTL_SECONDS" "CACHE_URL" "CACHE_USER" | toJson -}}
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{/* Files of the Secret, by the variable that names each, as JSON. */}}
{{- define "ml-model.cache.files" -}}
{{- $files := dict -}}
{{- with .Values.cache -}}
{{- if and .enabled .redis.url -}}
{{- range $variable, $file := dict
      "CACHE_CA" (list .credentials.ca "ca.crt")
      "CACHE_CERT" (list .credentials.certificate "tls.crt")
      "CACHE_KEY" (list .credentials.key "tls.key") -}}
{{- if first $file -}}
{{- $_ := set $files $variable (dict "key" (first $file) "path" (last $file)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{- define "ml-model.cache.mount" -}}
{{- if include "ml-model.cache.files" . | fromJson -}}
- name: cache-credentials
  mountPath: /etc/cache
  readOnly: true
{{- end -}}
{{- end -}}

{{- define "ml-model.cache.volume" -}}
{{- with include "ml-model.cache.files" . | fromJson -}}
- name: cache-credentials
  secret:
    secretName: {{ $.Values.cache.credentials.secretName | quote }}
    defaultMode: 288
    items:
      {{- range . }}
      - {{ toYaml . | indent 8 | trim }}
      {{- end }}
{{- end -}}
{{- end -}}

{{/* Peers that are Redis, as JSON; empty if neither the values nor the URL name them. */}}
{{- define "ml-model.cache.peers" -}}
{{- $redis := .Values.cache.redis -}}
{{- include "ml-model.consumer.peers" (dict "root" . "url" $redis.url "egress" $redis.egress) -}}
{{- end -}}

{{/* Egress rule to Redis; empty without one. */}}
{{- define "ml-model.cache.egress" -}}
{{- if and .Values.cache.enabled .Values.cache.redis.url -}}
{{- $redis := .Values.cache.redis -}}
{{- $address := include "ml-model.consumer.address" $redis.url | fromJson -}}
- ports:
    - port: {{ ternary $address.port $redis.egress.port (eq (toString $redis.egress.port) "auto") | int64 }}
      protocol: TCP
    {{- with include "ml-model.tunnelPort" . }}
    {{- . | nindent 4 }}
    {{- end }}
  to:
    {{- range include "ml-model.cache.peers" . | fromJson }}
    - {{ toYaml . | indent 6 | trim }}
    {{- end }}
{{- end -}}
{{- end -}}

{{/* What the cache of a worker takes, MiB. */}}
{{- define "ml-model.cache.mebibytes" -}}
{{- if .Values.cache.enabled -}}{{- divf (float64 .Values.cache.bytes) 1048576 | ceil -}}{{- else -}}0{{- end -}}
{{- end -}}
