{{/* URL of the download; empty without one. */}}
{{- define "ml-model.downloadUrl" -}}
{{- tpl .Values.model.download.url . -}}
{{- end -}}

{{/* Environment variables of the download container, by name; users add theirs in .Values.model.download.env. */}}
{{- define "ml-model.downloadEnv" -}}
{{- $download := .Values.model.download -}}
FETCH_ALLOW_HTTP: {{ $download.allowHttp | quote }}
FETCH_ANONYMOUS: {{ $download.anonymous | quote }}
FETCH_CA_FILE: {{ ternary (printf "/etc/fetch/%s" $download.ca.key) "" (ne $download.ca.configMap "") | quote }}
FETCH_ENDPOINT: {{ $download.endpoint | quote }}
FETCH_MAX_BYTES: {{ include "ml-model.amount" $download.sizeLimit | float64 | int64 | quote }}
FETCH_PUBLIC_KEY_FILE: {{ include "ml-model.signatureKey" . | quote }}
FETCH_TIMEOUT_SECONDS: {{ int64 $download.timeoutSeconds | quote }}
MODEL_DIGEST: {{ .Values.model.digest | quote }}
MODEL_DIR: /model
MODEL_URL: {{ include "ml-model.downloadUrl" . | quote }}
{{- end -}}

{{/* Init container that downloads the bundle, for the model and for `helm test`. */}}
{{- define "ml-model.downloadContainer" -}}
{{- $download := .Values.model.download -}}
- name: fetch
  {{- include "ml-model.fetchImage" . | nindent 2 }}
  {{- with $download.secretName }}
  envFrom:
    - secretRef:
        name: {{ . | quote }}
  {{- end }}
  env:
    {{- $own := dict }}
    {{- range $name, $value := include "ml-model.downloadEnv" . | fromYaml }}
    {{- with $value }}{{ $_ := set $own $name . }}{{ end }}
    {{- end }}
    {{- include "ml-model.env" (merge $own $download.env) | trim | nindent 4 }}
  {{- include "ml-model.fetchResources" . | nindent 2 }}
  volumeMounts:
    - name: model
      mountPath: /model
    {{- if $download.ca.configMap }}
    - name: fetch-ca
      mountPath: /etc/fetch
      readOnly: true
    {{- end }}
    {{- with include "ml-model.signatureMount" . }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Common fields of the containers that run the fetch image. */}}
{{- define "ml-model.fetchImage" -}}
{{- $image := .Values.model.download.image -}}
image: {{ include "ml-model.reference" (dict "root" . "image" $image) | quote }}
{{- with $image.pullPolicy }}
imagePullPolicy: {{ . | quote }}
{{- end }}
# Puts the last log line, the reason of a refused bundle, into the pod's status.
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  {{- include "ml-model.containerSecurityContext" . | nindent 2 }}
{{- end -}}

{{- define "ml-model.fetchResources" -}}
resources:
  {{- include "ml-model.resources" .Values.model.download.resources | nindent 2 }}
{{- end -}}

{{/* Volumes of the download; the model's container mounts the first of them, read-only. */}}
{{- define "ml-model.downloadVolumes" -}}
{{- $download := .Values.model.download -}}
- name: model
  emptyDir:
    sizeLimit: {{ $download.sizeLimit | quote }}
{{- with $download.ca.configMap }}
- name: fetch-ca
  configMap:
    name: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Port of the store: that of its URL, or the default of the scheme. */}}
{{- define "ml-model.downloadPort" -}}
{{- $egress := .Values.model.download.egress -}}
{{- if ne (toString $egress.port) "auto" -}}
{{- int64 $egress.port -}}
{{- else -}}
{{- $address := urlParse (.Values.model.download.endpoint | default (include "ml-model.downloadUrl" .)) -}}
{{- $named := regexFind ":[0-9]+$" $address.host | trimPrefix ":" -}}
{{- $named | default (ternary "80" "443" (eq $address.scheme "http")) -}}
{{- end -}}
{{- end -}}

{{/* Egress rule for the store only. */}}
{{- define "ml-model.downloadEgress" -}}
- ports:
    - port: {{ include "ml-model.downloadPort" . }}
      protocol: TCP
    {{- with include "ml-model.tunnelPort" . }}
    {{- . | nindent 4 }}
    {{- end }}
  to:
    {{- range include "ml-model.compact" .Values.model.download.egress.to | fromJson }}
    - {{ toYaml . | indent 6 | trim }}
    {{- end }}
{{- end -}}
