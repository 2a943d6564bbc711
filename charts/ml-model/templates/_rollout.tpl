{{/* Whether a Rollout runs the pods, instead of a Deployment. */}}
{{- define "ml-model.isRollout" -}}
{{- if ne .Values.rollout.strategy "rolling" -}}true{{- end -}}
{{- end -}}

{{/* What autoscalers scale: apiVersion, kind and name of the workload. */}}
{{- define "ml-model.workloadRef" -}}
{{- if include "ml-model.isRollout" . -}}
apiVersion: argoproj.io/v1alpha1
kind: Rollout
{{- else -}}
apiVersion: apps/v1
kind: Deployment
{{- end }}
name: {{ include "ml-model.workloadName" . | quote }}
{{- end -}}

{{/* Services beside the main one, by their suffix; the controller adds the revision to their selectors. */}}
{{- define "ml-model.revisionServices" -}}
{{- if eq .Values.rollout.strategy "canary" -}}
- stable
- canary
{{- else if eq .Values.rollout.strategy "blueGreen" -}}
- preview
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{/* The Service of the newest revision: what tests of a release have to ask. */}}
{{- define "ml-model.newestService" -}}
{{- include "ml-model.fullname" . -}}
{{- with include "ml-model.revisionServices" . | fromYamlArray | last -}}-{{ . }}{{- end -}}
{{- end -}}

{{/*
Argo CD deletes what git no longer has before it waits for what is new. A release that moves between
Deployment and Rollout keeps the old pods until the new ones are healthy, and a variant serves until
no route leads to it.
*/}}
{{- define "ml-model.workloadAnnotations" -}}
argocd.argoproj.io/sync-options: PruneLast=true
{{- end -}}

{{/* What every workload of the model has in common with a Deployment. */}}
{{- define "ml-model.workloadSpec" -}}
revisionHistoryLimit: {{ int64 .Values.revisionHistoryLimit }}
{{- with int64 .Values.minReadySeconds }}
minReadySeconds: {{ . }}
{{- end }}
progressDeadlineSeconds: {{ include "ml-model.progressDeadlineSeconds" . }}
selector:
  matchLabels:
    {{- include "ml-model.selectorLabels" . | nindent 4 }}
{{- end -}}

{{/*
The verdict on a new version: the AnalysisTemplates, and which pods they compare. `canary-hash` and
`stable-hash` are the label rollouts-pod-template-hash of the new and of the old version; it is also
the part of a pod's name between the release's name and the last dash.
*/}}
{{- define "ml-model.rollout.analysis" -}}
{{- include "ml-model.rollout.templates" (dict "root" . "suffix" "verdict") -}}
{{- end -}}

{{/* The same in the background of all steps, where only a failure ends it. */}}
{{- define "ml-model.rollout.watch" -}}
{{- include "ml-model.rollout.templates" (dict "root" . "suffix" "watch") -}}
{{- end -}}

{{- define "ml-model.rollout.templates" -}}
{{- $templates := list -}}
{{- if .root.Values.rollout.analysis.enabled -}}
{{- $templates = append $templates (dict "templateName" (printf "%s-%s" (include "ml-model.fullname" .root) .suffix)) -}}
{{- end -}}
{{- $templates = concat $templates (include "ml-model.rollout.ownTemplates" .root | fromYamlArray) -}}
{{- if $templates -}}
templates:
  {{- toYaml $templates | nindent 2 }}
{{ include "ml-model.rollout.hashes" .root }}
{{- end -}}
{{- end -}}

{{/* The AnalysisTemplates of users. */}}
{{- define "ml-model.rollout.ownTemplates" -}}
{{- $templates := list -}}
{{- range $name, $template := include "ml-model.compact" .Values.rollout.analysis.templates | fromJson -}}
{{- $templates = append $templates (merge (dict "templateName" $name) $template) -}}
{{- end -}}
{{- toYaml $templates -}}
{{- end -}}

{{- define "ml-model.rollout.hashes" -}}
args:
  - name: canary-hash
    valueFrom:
      podTemplateHashValue: Latest
  - name: stable-hash
    valueFrom:
      podTemplateHashValue: Stable
  {{- if and .Values.rollout.analysis.enabled .Values.model.digest }}
  # Changes together with the pods; the controller may start with templates of the version before.
  - name: digest
    value: {{ .Values.model.digest | quote }}
  {{- end }}
{{- end -}}

{{/* What has to pass before a blue-green switch: a prediction, and the AnalysisTemplates of users. */}}
{{- define "ml-model.rollout.beforeSwitch" -}}
{{- $templates := include "ml-model.rollout.ownTemplates" . | fromYamlArray -}}
{{- if .Values.rollout.blueGreen.smoke -}}
{{- $templates = prepend $templates (dict "templateName" (printf "%s-smoke" (include "ml-model.fullname" .))) -}}
{{- end -}}
{{- if $templates -}}
templates:
  {{- toYaml $templates | nindent 2 }}
{{ include "ml-model.rollout.hashes" . }}
{{- end -}}
{{- end -}}

{{/* Steps of a canary by name, as values have them; without any, three of ours. */}}
{{- define "ml-model.rollout.namedSteps" -}}
{{- $steps := include "ml-model.compact" .Values.rollout.steps | fromJson -}}
{{- if not $steps -}}
{{- range $name, $weight := dict "10-few" 10 "20-some" 30 "30-half" 50 -}}
{{- $_ := set $steps $name (dict "weight" $weight "pause" "5m") -}}
{{- end -}}
{{- end -}}
{{- toJson $steps -}}
{{- end -}}

{{/* A step of ours, as Rollouts has it: up to four. include "ml-model.rollout.step" (dict "root" $ "step" s) */}}
{{- define "ml-model.rollout.step" -}}
{{- $step := .step }}
{{- if hasKey $step "pods" }}
- setCanaryScale:
    replicas: {{ int64 $step.pods }}
{{- else if and (hasKey $step "weight") (ne .root.Values.rollout.router "none") }}
- setCanaryScale:
    matchTrafficWeight: true
{{- end }}
{{- if hasKey $step "weight" }}
- setWeight: {{ int64 $step.weight }}
{{- end }}
{{- if eq ($step.pause | default "") "manual" }}
- pause: {}
{{- else if $step.pause }}
- pause:
    duration: {{ $step.pause }}
{{- end }}
{{- if $step.analysis }}
- analysis:
    {{- include "ml-model.rollout.analysis" .root | nindent 4 }}
{{- end }}
{{- end -}}

{{/* The step of Rollouts at which step `rollout.analysis.startingStep` of ours begins. */}}
{{- define "ml-model.rollout.startingStep" -}}
{{- $before := int64 .Values.rollout.analysis.startingStep -}}
{{- $number := 0 -}}
{{- $index := 0 -}}
{{- range $step := include "ml-model.rollout.namedSteps" . | fromJson -}}
{{- if lt $number (int $before) -}}
{{- $index = include "ml-model.rollout.step" (dict "root" $ "step" $step) | fromYamlArray | len | add $index -}}
{{- end -}}
{{- $number = add1 $number | int -}}
{{- end -}}
{{- $index -}}
{{- end -}}

{{/* Steps of a canary, as Rollouts has them. */}}
{{- define "ml-model.rollout.steps" -}}
{{- $isJudged := false }}
{{- range $name, $step := include "ml-model.rollout.namedSteps" . | fromJson }}
{{- $isJudged = $step.analysis }}
{{- include "ml-model.rollout.step" (dict "root" $ "step" $step) }}
{{- end }}
{{- /* Nothing gets every request without a verdict, however little traffic there was. */}}
{{- if and .Values.rollout.analysis.enabled (not $isJudged) }}
- analysis:
    {{- include "ml-model.rollout.analysis" . | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Keeps pods of both versions apart, as Rollouts has it. */}}
{{- define "ml-model.rollout.antiAffinity" -}}
{{- if eq .Values.rollout.antiAffinity "soft" -}}
antiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    weight: 100
{{- else if ne .Values.rollout.antiAffinity "none" -}}
antiAffinity:
  requiredDuringSchedulingIgnoredDuringExecution: {}
{{- end -}}
{{- end -}}

{{/*
Name of the object with the weights. Argo CD leaves its weights, and with them the whole list that
they are in, to the controller; so a change of the rest has to be an object of another name.
include "ml-model.routeName" (dict "root" $ "static" (...))
*/}}
{{- define "ml-model.routeName" -}}
{{- printf "%s-%s" (include "ml-model.fullname" .root) (.static | replace "\"" "" | sha256sum | trunc 8) -}}
{{- end -}}

{{/* Annotation by which Argo CD knows that the controller writes the weights of an object. */}}
{{- define "ml-model.weightsAnnotation" -}}
ml-model/weights: argo-rollouts
{{- end -}}

{{/*
Annotations of a route: if it has the weights, it is the controller's. Otherwise Argo CD changes it
when the pods are healthy, so that no request is sent to a version that is not there yet.
include "ml-model.route.annotations" (dict "root" $ "annotations" .Values.httpRoute.annotations)
*/}}
{{- define "ml-model.route.annotations" -}}
{{- $own := dict -}}
{{- if eq .root.Values.rollout.router "gatewayPlugin" -}}
{{- $own = include "ml-model.weightsAnnotation" .root | fromYaml -}}
{{- else if or (not (include "ml-model.isRollout" .root)) (include "ml-model.variants" .root | fromJson) -}}
{{- $own = dict "argocd.argoproj.io/sync-wave" "1" -}}
{{- end -}}
{{- toYaml (merge $own (include "ml-model.compact" .annotations | fromJson)) -}}
{{- end -}}

{{- define "ml-model.traefikServices" -}}
{{- range $suffix, $weight := dict "stable" 100 "canary" 0 }}
- name: "{{ include "ml-model.fullname" $ }}-{{ $suffix }}"
  kind: Service
  port: {{ int64 $.Values.service.port }}
  weight: {{ $weight }}
{{- end }}
{{- end -}}

{{- define "ml-model.traefikServiceName" -}}
{{- include "ml-model.routeName" (dict "root" . "static" (include "ml-model.traefikServices" .)) -}}
{{- end -}}

{{/* backendRefs of the HTTPRoute. Outside of a rolling release they spell out what the API server would add. */}}
{{- define "ml-model.httpRoute.backends" -}}
{{- $name := include "ml-model.fullname" . -}}
{{- if eq .Values.rollout.router "traefik" -}}
- group: traefik.io
  kind: TraefikService
  name: {{ include "ml-model.traefikServiceName" . | quote }}
  weight: 1
{{- else if eq .Values.rollout.router "gatewayPlugin" -}}
{{- range $suffix, $weight := dict "stable" 100 "canary" 0 }}
- group: ""
  kind: Service
  name: "{{ $name }}-{{ $suffix }}"
  port: {{ int64 $.Values.service.port }}
  weight: {{ $weight }}
{{- end }}
{{- else -}}
- name: {{ $name | quote }}
  port: {{ int64 .Values.service.port }}
{{- end -}}
{{- end -}}

{{/* Rules of the HTTPRoute: testers first, then everyone. */}}
{{- define "ml-model.httpRoute.rules" -}}
{{- $path := dict "type" "PathPrefix" "value" .Values.httpRoute.path -}}
{{- if .Values.rollout.testers.header }}
- matches:
    - path:
        {{- toYaml $path | nindent 8 }}
      headers:
        - type: Exact
          name: {{ .Values.rollout.testers.header | quote }}
          value: {{ .Values.rollout.testers.value | quote }}
  {{- with include "ml-model.httpRoute.way" (dict "root" .) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  backendRefs:
    - group: ""
      kind: Service
      name: {{ include "ml-model.newestService" . | quote }}
      port: {{ int64 .Values.service.port }}
      weight: 1
{{- end }}
{{- include "ml-model.variantRules" . }}
- matches:
    - path:
        {{- toYaml $path | nindent 8 }}
  {{- with include "ml-model.httpRoute.way" (dict "root" . "mirrors" (include "ml-model.mirrorFilters" .)) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  backendRefs:
    {{- include "ml-model.variantBackends" . | nindent 4 }}
{{- end -}}

{{/*
What the HTTPRoute does with every request: rewrite, copies for shadows, and timeout.
include "ml-model.httpRoute.way" (dict "root" $ "mirrors" "...")
*/}}
{{- define "ml-model.httpRoute.way" -}}
{{- $hasPrefix := ne .root.Values.httpRoute.path "/" }}
{{- if or $hasPrefix .mirrors }}
filters:
  {{- if $hasPrefix }}
  - type: URLRewrite
    urlRewrite:
      path:
        type: ReplacePrefixMatch
        replacePrefixMatch: /
  {{- end }}
  {{- with .mirrors | default "" | trim }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}
{{- with .root.Values.httpRoute.timeout }}
timeouts:
  request: {{ . }}
{{- end }}
{{- end -}}

{{/* Where a route listens: include "ml-model.route.listeners" .Values.httpRoute */}}
{{- define "ml-model.route.listeners" -}}
parentRefs:
  {{- range $name, $parent := include "ml-model.compact" .parents | fromJson }}
  - {{ toYaml (merge (deepCopy $parent) (dict "name" $name)) | indent 4 | trim }}
  {{- end }}
{{- with .hostnames }}
hostnames:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The HTTPRoute without its name, whose part it may be. */}}
{{- define "ml-model.httpRoute.spec" -}}
{{ include "ml-model.route.listeners" .Values.httpRoute }}
rules:
  {{- include "ml-model.httpRoute.rules" . | trim | nindent 2 }}
{{- end -}}

{{- define "ml-model.httpRoute.name" -}}
{{- if eq .Values.rollout.router "gatewayPlugin" -}}
{{- include "ml-model.routeName" (dict "root" . "static" (include "ml-model.httpRoute.spec" .)) -}}
{{- else -}}
{{- include "ml-model.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* What the controller has to know of the router. */}}
{{- define "ml-model.rollout.router" -}}
{{- if eq .Values.rollout.router "traefik" -}}
traefik:
  weightedTraefikServiceName: {{ include "ml-model.traefikServiceName" . }}
{{- else if eq .Values.rollout.router "istio" -}}
istio:
  virtualService:
    name: {{ include "ml-model.virtualService.name" . | quote }}
    routes:
      {{- if .Values.grpc.enabled }}
      - grpc
      {{- end }}
      - primary
{{- else if eq .Values.rollout.router "gatewayPlugin" -}}
plugins:
  argoproj-labs/gatewayAPI:
    {{- if .Values.httpRoute.enabled }}
    httpRoute: {{ include "ml-model.httpRoute.name" . }}
    {{- end }}
    {{- if .Values.grpcRoute.enabled }}
    grpcRoute: {{ include "ml-model.grpcRoute.name" . }}
    {{- end }}
    namespace: {{ include "ml-model.namespace" . | quote }}
{{- end -}}
{{- end -}}
