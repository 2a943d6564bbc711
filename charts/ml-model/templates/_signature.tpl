{{/* File of the public key that must have signed the bundle; empty asks for no signature. */}}
{{- define "ml-model.signatureKey" -}}
{{- with .Values.model.signature -}}
{{- if .configMap -}}{{ printf "/etc/signature/%s" .key }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether a container of its own asks for the signature: a download asks itself, and sooner. */}}
{{- define "ml-model.signatureChecked" -}}
{{- if and .Values.model.signature.configMap (not .Values.model.download.url) -}}true{{- end -}}
{{- end -}}

{{/* The container that refuses a mounted bundle nobody signed. The files are left to the model's own, which hashes them anyway. */}}
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
    name: {{ . }}
{{- end -}}
{{- end -}}
