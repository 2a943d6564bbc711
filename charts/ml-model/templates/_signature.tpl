{{/* Path of the public key that verifies the signature of the bundle; empty without verification. */}}
{{- define "ml-model.signatureKey" -}}
{{- with .Values.model.signature -}}
{{- if .configMap -}}{{ printf "/etc/signature/%s" .key }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether a separate container verifies the signature. A download verifies it itself, before it fetches a file. */}}
{{- define "ml-model.signatureChecked" -}}
{{- if and .Values.model.signature.configMap (not .Values.model.download.url) -}}true{{- end -}}
{{- end -}}

{{/* Init container that refuses an unsigned mounted bundle. It skips the files, because the model's container hashes them. */}}
{{- define "ml-model.signatureContainer" -}}
- name: signature
  {{- include "ml-model.fetchImage" . | nindent 2 }}
  command: [python, -m, app.fetch.signature, --signature-only]
  env:
    - name: FETCH_PUBLIC_KEY_FILE
      value: {{ include "ml-model.signatureKey" . | quote }}
    - name: MODEL_DIGEST
      value: {{ .Values.model.digest | quote }}
    - name: MODEL_DIR
      value: /model
  {{- include "ml-model.fetchResources" . | nindent 2 }}
  volumeMounts:
    {{- include "ml-model.modelMount" . | nindent 4 }}
    {{- include "ml-model.signatureMount" . | nindent 4 }}
{{- end -}}

{{- define "ml-model.signatureMount" -}}
{{- if .Values.model.signature.configMap -}}
- name: signature-key
  mountPath: /etc/signature
  readOnly: true
{{- end -}}
{{- end -}}

{{- define "ml-model.signatureVolume" -}}
{{- with .Values.model.signature.configMap -}}
- name: signature-key
  configMap:
    name: {{ . | quote }}
{{- end -}}
{{- end -}}
