{{/* Only if it needs the sample in the bundle: a claim may not be mountable on another node. */}}
{{- define "ml-model.predict.mounted" -}}
{{- if and (include "ml-model.modelVolume" .) (not .Values.model.sample) -}}true{{- end -}}
{{- end -}}

{{- define "ml-model.predict.downloaded" -}}
{{- if and (include "ml-model.predict.mounted" .) .Values.model.download.url -}}true{{- end -}}
{{- end -}}

{{/* Labels of a pod that predicts. Not the selector labels of the Service: it must never get a user's request. */}}
{{- define "ml-model.predict.labels" -}}
app.kubernetes.io/name: {{ printf "%s-%s" (include "ml-model.name" .root | trunc (sub 62 (len .component) | int)) .component }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Spec of a pod that requests a prediction of the newest version, and checks its digest. */}}
{{- define "ml-model.predict.pod" -}}
restartPolicy: Never
{{- with include "ml-model.pullSecrets" . | trim }}
imagePullSecrets:
  {{- . | nindent 2 }}
{{- end }}
serviceAccountName: {{ include "ml-model.serviceAccountName" . | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with include "ml-model.placement" . }}
{{ . }}
{{- end }}
securityContext:
  {{- include "ml-model.podSecurityContext" . | nindent 2 }}
{{- $mounted := include "ml-model.predict.mounted" . }}
{{- $downloaded := include "ml-model.predict.downloaded" . }}
{{- if $downloaded }}
initContainers:
  {{- include "ml-model.downloadContainer" . | nindent 2 }}
{{- end }}
containers:
  - name: predict
    # The model image: it has Python and the sample, and is already on the node.
    image: {{ include "ml-model.image" . | quote }}
    {{- with .Values.image.pullPolicy }}
    imagePullPolicy: {{ . | quote }}
    {{- end }}
    command:
      - python
      - -c
      - |
        {{- .Files.Get "files/predict.py" | trim | nindent 8 }}
    env:
      - name: SERVICE
        value: {{ printf "%s:%d" (include "ml-model.newestService" .) (int64 .Values.service.port) }}
      {{- with .Values.model.name }}
      - name: MODEL_NAME
        value: {{ . | quote }}
      {{- end }}
      {{- with .Values.model.digest }}
      - name: MODEL_DIGEST
        value: {{ . | quote }}
      {{- end }}
      {{- with .Values.model.sample }}
      - name: SAMPLE
        value: {{ . | quote }}
      {{- end }}
    securityContext:
      {{- include "ml-model.containerSecurityContext" . | nindent 6 }}
    resources:
      requests:
        cpu: 10m
        memory: 64Mi
      limits:
        memory: 64Mi
    {{- if $mounted }}
    volumeMounts:
      {{- include "ml-model.modelMount" . | nindent 6 }}
volumes:
  {{- include "ml-model.modelVolume" . | nindent 2 }}
  {{- /* The serving pods verified a mounted bundle; only a new download is verified again. */}}
  {{- with and $downloaded (include "ml-model.signatureVolume" .) }}
  {{- . | nindent 2 }}
  {{- end }}
    {{- end }}
{{- end -}}

{{/* Its network policy: include "ml-model.predict.policy" (dict "root" $ "labels" (...)) */}}
{{- define "ml-model.predict.policy" -}}
podSelector:
  matchLabels:
    {{- toYaml .labels | nindent 4 }}
policyTypes:
  - Ingress
  - Egress
egress:
  {{- include "ml-model.dnsEgress" .root | nindent 2 }}
  {{- if include "ml-model.predict.downloaded" .root }}
  {{- include "ml-model.downloadEgress" .root | nindent 2 }}
  {{- end }}
  - ports:
      - port: http
        protocol: TCP
      {{- with include "ml-model.tunnelPort" .root }}
      {{- . | nindent 6 }}
      {{- end }}
    to:
      - podSelector:
          matchLabels:
            {{- include "ml-model.selectorLabels" .root | nindent 12 }}
      {{- with .root.Values.istio.waypoint }}
      - podSelector:
          matchLabels:
            gateway.networking.k8s.io/gateway-name: {{ . | quote }}
      {{- end }}
{{- end -}}
