{{/* Pod Security "restricted", for the pod. Serving and test pods share it. */}}
{{- define "ml-model.podSecurityContext" -}}
{{- with .Values.security.fsGroup -}}
fsGroup: {{ int64 . }}
# Do not change the owner of every file of a large volume at every start.
fsGroupChangePolicy: OnRootMismatch
{{ end -}}
{{- with .Values.security.runAsGroup -}}
runAsGroup: {{ int64 . }}
{{ end -}}
runAsNonRoot: true
{{- with .Values.security.runAsUser }}
runAsUser: {{ int64 . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Pod Security "restricted", for a container. */}}
{{- define "ml-model.containerSecurityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop:
    - ALL
readOnlyRootFilesystem: true
{{- end -}}

{{/* List of env entries from a map of name -> plain value or {value|valueFrom}, sorted by name. */}}
{{- define "ml-model.env" -}}
{{- range $name, $entry := . }}
{{- if kindIs "map" $entry }}
- name: {{ $name | quote }}
  {{- include "ml-model.compact" $entry | fromJson | toYaml | nindent 2 }}
{{- else if not (kindIs "invalid" $entry) }}
- name: {{ $name | quote }}
  {{- /* An integer from a value file is a float64: %v would print 1e+06. */}}
  value: {{ ternary (int64 $entry) $entry (and (kindIs "float64" $entry) (eq (floor $entry) $entry)) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
What a probe asks the port "http": include "ml-model.probe" (dict "root" $ "path" "/ready" "service" "")
The API has no names for the port of gRPC.
*/}}
{{- define "ml-model.probe" -}}
{{- if eq .root.Values.probes.protocol "grpc" -}}
grpc:
  port: 8080
  service: {{ .service | quote }}
{{- else -}}
httpGet:
  path: {{ .path | quote }}
  port: http
{{- end -}}
{{- end -}}

{{/*
A mount: read-only unless told otherwise. What the API server does not keep, false and an empty text, is left out, or
Argo CD would find it missing: include "ml-model.mount" (dict "name" n "mount" m)
*/}}
{{- define "ml-model.mount" -}}
{{- $mount := dict "name" .name "mountPath" .mount.mountPath -}}
{{- if or .mount.readOnly (not (hasKey .mount "readOnly")) -}}{{- $_ := set $mount "readOnly" true -}}{{- end -}}
{{- with .mount.subPath -}}{{- $_ := set $mount "subPath" . -}}{{- end -}}
{{- toYaml $mount -}}
{{- end -}}

{{/*
A container that users add, from its map: include "ml-model.container" (dict "name" n "container" c "native" true)
*/}}
{{- define "ml-model.container" -}}
{{- $container := omit .container "env" "ports" "securityContext" "volumeMounts" -}}
{{- $_ := set $container "name" .name -}}
{{- if .native -}}{{- $_ := set $container "restartPolicy" "Always" -}}{{- end -}}
{{- $_ := set $container "securityContext" (include "ml-model.securityOf" .container | fromJson) -}}
{{- with include "ml-model.env" (.container.env | default dict) | fromYamlArray -}}
{{- $_ := set $container "env" . -}}
{{- end -}}
{{- $ports := list -}}
{{- range $name, $port := include "ml-model.compact" (.container.ports | default dict) | fromJson -}}
{{- $ports = append $ports (dict "name" $name "containerPort" $port "protocol" "TCP") -}}
{{- end -}}
{{- if $ports -}}{{- $_ := set $container "ports" $ports -}}{{- end -}}
{{- $mounts := list -}}
{{- range $name, $mount := include "ml-model.compact" (.container.volumeMounts | default dict) | fromJson -}}
{{- $mounts = append $mounts (include "ml-model.mount" (dict "name" $name "mount" $mount) | fromYaml) -}}
{{- end -}}
{{- if $mounts -}}{{- $_ := set $container "volumeMounts" $mounts -}}{{- end -}}
- {{ toYaml $container | indent 2 | trim }}
{{- end -}}

{{/* Init container of a bundle outside the image: the download, or the check of the signature. */}}
{{- define "ml-model.bundleContainers" -}}
{{- if .Values.model.download.url }}
{{ include "ml-model.downloadContainer" . }}
{{- else if include "ml-model.signatureChecked" . }}
{{ include "ml-model.signatureContainer" . }}
{{- end }}
{{- end -}}

{{/* Init containers: that of the bundle, then those of users, then native sidecars. */}}
{{- define "ml-model.initContainers" -}}
{{- include "ml-model.bundleContainers" . }}
{{- range $name, $container := include "ml-model.compact" .Values.initContainers | fromJson }}
{{ include "ml-model.container" (dict "name" $name "container" $container "native" false) }}
{{- end }}
{{- range $name, $container := include "ml-model.compact" .Values.sidecars | fromJson }}
{{ include "ml-model.container" (dict "name" $name "container" $container "native" true) }}
{{- end }}
{{- end -}}

{{/* envFrom of the model's container: existing objects, and Secrets of the External Secrets operator. */}}
{{- define "ml-model.envFrom" -}}
- configMapRef:
    name: {{ include "ml-model.fullname" . | quote }}
{{- range $name, $source := include "ml-model.compact" .Values.envFrom | fromJson }}
- {{ include "ml-model.compact" $source | fromJson | toYaml | indent 2 | trim }}
{{- end }}
{{- range $name, $_ := include "ml-model.compact" .Values.externalSecrets | fromJson }}
- secretRef:
    name: {{ printf "%s-%s" (include "ml-model.fullname" $) $name | quote }}
{{- end }}
{{- end -}}

{{/* Where pods of the release may run, and as whom on the node: the model's and those that ask it for a prediction. */}}
{{- define "ml-model.placement" -}}
{{- $placement := dict -}}
{{- if not .Values.security.hostUsers -}}
{{- $_ := set $placement "hostUsers" false -}}
{{- end -}}
{{- with include "ml-model.compact" .Values.nodeSelector | fromJson -}}
{{- $_ := set $placement "nodeSelector" . -}}
{{- end -}}
{{- with include "ml-model.compact" .Values.tolerations | fromJson -}}
{{- $tolerations := list -}}
{{- range . -}}{{- $tolerations = append $tolerations . -}}{{- end -}}
{{- $_ := set $placement "tolerations" $tolerations -}}
{{- end -}}
{{- with $placement -}}{{- toYaml . -}}{{- end -}}
{{- end -}}

{{/* Affinity: the preset plus the user's. */}}
{{- define "ml-model.affinity" -}}
{{- $affinity := include "ml-model.compact" .Values.affinity | fromJson -}}
{{- if ne .Values.antiAffinity "none" -}}
{{- $term := dict
      "topologyKey" "kubernetes.io/hostname"
      "labelSelector" (dict "matchLabels" (include "ml-model.selectorLabels" . | fromYaml)) -}}
{{- $rules := dict "requiredDuringSchedulingIgnoredDuringExecution" (list $term) -}}
{{- if eq .Values.antiAffinity "soft" -}}
{{- $rules = dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 100 "podAffinityTerm" $term)) -}}
{{- end -}}
{{- $_ := set $affinity "podAntiAffinity" $rules -}}
{{- end -}}
{{- toYaml $affinity -}}
{{- end -}}

{{/*
Pod template of every workload that runs the model. The context may have a revisionLabel: the label
that the workload's controller gives to the pods of one revision, by default a Deployment's.
*/}}
{{- define "ml-model.podTemplate" -}}
metadata:
  labels:
    {{- include "ml-model.podLabels" . | nindent 4 }}
  annotations:
    {{- /* Of the data only, so that a new label of the ConfigMap does not roll the pods. */}}
    {{- $own := dict
          "checksum/config" (include "ml-model.configData" . | sha256sum)
          "kubectl.kubernetes.io/default-container" "model" }}
    {{- $pod := include "ml-model.compact" .Values.podAnnotations | fromJson }}
    {{- $common := include "ml-model.compact" .Values.commonAnnotations | fromJson }}
    {{- toYaml (merge $own $pod $common) | nindent 4 }}
spec:
  {{- with include "ml-model.pullSecrets" . | trim }}
  imagePullSecrets:
    {{- . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ include "ml-model.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  # Legacy variables such as IRIS_PORT=tcp://... could conflict with settings.
  enableServiceLinks: false
  securityContext:
    {{- include "ml-model.podSecurityContext" . | nindent 4 }}
  terminationGracePeriodSeconds: {{ int64 .Values.shutdown.gracePeriodSeconds }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with include "ml-model.affinity" . | fromYaml }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "ml-model.placement" . }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "ml-model.compact" .Values.topologySpread | fromJson }}
  topologySpreadConstraints:
    {{- range $topologyKey, $constraint := . }}
    {{- $own := dict
          "topologyKey" $topologyKey
          "labelSelector" (dict "matchLabels" (include "ml-model.selectorLabels" $ | fromYaml))
          "matchLabelKeys" (list ($.revisionLabel | default "pod-template-hash")) }}
    - {{ toYaml (merge $own $constraint (dict "maxSkew" 1)) | indent 6 | trim }}
    {{- end }}
  {{- end }}
  {{- with include "ml-model.initContainers" . | trim }}
  initContainers:
    {{- . | nindent 4 }}
  {{- end }}
  containers:
    - name: model
      image: {{ include "ml-model.image" . | quote }}
      {{- with .Values.image.pullPolicy }}
      imagePullPolicy: {{ . | quote }}
      {{- end }}
      {{- if .consumer }}
      command: [python, -m, app.consume]
      {{- end }}
      # Puts the last log line, the reason of a refused start, into the pod's status.
      terminationMessagePolicy: FallbackToLogsOnError
      securityContext:
        {{- include "ml-model.containerSecurityContext" . | nindent 8 }}
      ports:
        - name: http
          containerPort: 8080
          protocol: TCP
        {{- if .Values.metrics.ownPort }}
        - name: metrics
          containerPort: {{ int64 .Values.metrics.port }}
          protocol: TCP
        {{- end }}
      envFrom:
        {{- include "ml-model.envFrom" . | nindent 8 }}
      env:
        {{- $env := include "ml-model.ownEnv" . | fromYaml }}
        {{- include "ml-model.env" (merge $env .Values.env) | trim | nindent 8 }}
      startupProbe:
        {{- /* A consumer that is up and waits for its broker must not be restarted. */}}
        {{- include "ml-model.probe" (dict "root" . "path" (ternary "/health" "/ready" (hasKey . "consumer")) "service" "") | nindent 8 }}
        {{- $period := int64 .Values.probes.startup.periodSeconds }}
        periodSeconds: {{ $period }}
        timeoutSeconds: {{ int64 .Values.probes.startup.timeoutSeconds }}
        failureThreshold: {{ divf .Values.startBudgetSeconds $period | ceil | int64 }}
      readinessProbe:
        {{- include "ml-model.probe" (dict "root" . "path" "/ready" "service" "") | nindent 8 }}
        periodSeconds: {{ int64 .Values.probes.readiness.periodSeconds }}
        timeoutSeconds: {{ int64 .Values.probes.readiness.timeoutSeconds }}
        failureThreshold: {{ int64 .Values.probes.readiness.failureThreshold }}
      livenessProbe:
        {{- include "ml-model.probe" (dict "root" . "path" "/health" "service" "live") | nindent 8 }}
        periodSeconds: {{ int64 .Values.probes.liveness.periodSeconds }}
        timeoutSeconds: {{ int64 .Values.probes.liveness.timeoutSeconds }}
        failureThreshold: {{ int64 .Values.probes.liveness.failureThreshold }}
      {{- if gt (int64 .Values.shutdown.preStopSeconds) 0 }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ int64 .Values.shutdown.preStopSeconds }}
      {{- end }}
      resources:
        {{- include "ml-model.resources" .Values.resources | nindent 8 }}
      {{- with include "ml-model.compact" .Values.resizePolicy | fromJson }}
      resizePolicy:
        {{- range $resource, $policy := . }}
        - resourceName: {{ $resource }}
          restartPolicy: {{ $policy }}
        {{- end }}
      {{- end }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- with include "ml-model.modelMount" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with include "ml-model.cache.mount" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- range $name, $volume := include "ml-model.compact" .Values.volumes | fromJson }}
        {{- if $volume.mountPath }}
        - {{ include "ml-model.mount" (dict "name" $name "mount" $volume) | indent 10 | trim }}
        {{- end }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        medium: Memory
        sizeLimit: {{ .Values.tmpSize | quote }}
    {{- with include "ml-model.modelVolume" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with include "ml-model.signatureVolume" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with include "ml-model.cache.volume" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- range $name, $volume := include "ml-model.compact" .Values.volumes | fromJson }}
    - name: {{ $name | quote }}
      {{- include "ml-model.compact" $volume.source | fromJson | toYaml | nindent 6 }}
    {{- end }}
{{- end -}}
