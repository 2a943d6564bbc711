{{/* A duration such as 500ms, 5s, 2m or 1h in milliseconds. */}}
{{- define "ml-model.milliseconds" -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- mul (regexFind "^[0-9]+" . | int64) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) $unit) -}}
{{- end -}}

{{- define "ml-model.isAmbient" -}}
{{- if eq .Values.istio.mode "ambient" -}}true{{- end -}}
{{- end -}}

{{/* Whom a policy that needs HTTP applies to: the sidecars of the pods, or the waypoint of the Services. */}}
{{- define "ml-model.httpPolicyTarget" -}}
{{- if .Values.istio.waypoint -}}
targetRefs:
  {{- range include "ml-model.routedServices" . | fromYamlArray }}
  - group: ""
    kind: Service
    name: {{ . | quote }}
  {{- end }}
{{- else -}}
{{- include "ml-model.policySelector" . -}}
{{- end -}}
{{- end -}}

{{- define "ml-model.policySelector" -}}
selector:
  matchLabels:
    {{- include "ml-model.selectorLabels" . | nindent 4 }}
{{- end -}}

{{/* Services that requests to this version may be sent to, by name. */}}
{{- define "ml-model.routedServices" -}}
- {{ include "ml-model.workloadName" . | quote }}
{{- range include "ml-model.revisionServices" . | fromYamlArray }}
- "{{ include "ml-model.workloadName" $ }}-{{ . }}"
{{- end }}
{{- end -}}

{{/* Label by which requests to a Service pass its waypoint. */}}
{{- define "ml-model.waypointLabel" -}}
{{- with .Values.istio.waypoint -}}
istio.io/use-waypoint: {{ . | quote }}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* Callers, as the sources of a rule. */}}
{{- define "ml-model.istioSources" -}}
from:
  {{- range . }}
  - source:
      {{- toYaml . | nindent 6 }}
  {{- end }}
{{- end -}}

{{/* Whether the chart renders the test before a blue-green switch. */}}
{{- define "ml-model.isSmoked" -}}
{{- if and (eq .Values.rollout.strategy "blueGreen") .Values.rollout.blueGreen.smoke -}}true{{- end -}}
{{- end -}}

{{/*
Callers of the model by name: those of the values and, where others are denied, the chart's own tests. They have the
release's ServiceAccount: one that the chart does not create may be that of strangers, such as `default`.
*/}}
{{- define "ml-model.istioCallers" -}}
{{- $callers := include "ml-model.compact" .Values.istio.allow | fromJson -}}
{{- $isStrict := or $callers (include "ml-model.compact" .Values.istio.allowMetrics | fromJson) -}}
{{- if and $isStrict .Values.serviceAccount.create (or .Values.test.enabled (include "ml-model.isSmoked" .)) -}}
{{- $account := printf "*/ns/%s/sa/%s" (include "ml-model.namespace" .) (include "ml-model.serviceAccountName" .) -}}
{{- $_ := set $callers "chart-tests" (dict "principals" (list $account)) -}}
{{- end -}}
{{- toJson $callers -}}
{{- end -}}

{{/*
Whether anyone may read metrics: a policy that is there for tokens only names no callers.
*/}}
{{- define "ml-model.metricsAreOpen" -}}
{{- if not (include "ml-model.anyEntry" (list .Values.istio.allow .Values.istio.allowMetrics)) -}}true{{- end -}}
{{- end -}}

{{/*
Rules of who may connect, for sidecars and ztunnel. ztunnel ignores a rule with anything of HTTP, which in an ALLOW
policy denies: there, only the port tells /metrics from the model, and callers of the model are the waypoint, if any.
*/}}
{{- define "ml-model.connectionRules" -}}
{{- $callers := include "ml-model.istioCallers" . | fromJson -}}
{{- if .Values.istio.waypoint -}}
{{- $account := printf "*/ns/%s/sa/%s" (include "ml-model.namespace" .) .Values.istio.waypoint -}}
{{- $callers = dict "waypoint" (dict "principals" (list $account)) -}}
{{- end -}}
{{- with $callers }}
- {{ include "ml-model.istioSources" . | indent 2 | trim }}
  to:
    - operation:
        ports:
          - "8080"
{{- end }}
{{- $scrapers := include "ml-model.compact" .Values.istio.allowMetrics | fromJson }}
{{- if or $scrapers (include "ml-model.metricsAreOpen" .) }}
{{- with $scrapers }}
- {{ include "ml-model.istioSources" . | indent 2 | trim }}
  to:
{{- else }}
- to:
{{- end }}
    - operation:
        ports:
          - {{ ternary $.Values.metrics.port 8080 $.Values.metrics.ownPort | int64 | quote }}
        {{- if not (include "ml-model.isAmbient" $) }}
        paths:
          - /metrics
        {{- end }}
{{- end }}
{{- end -}}

{{- define "ml-model.virtualService.hosts" -}}
{{- .Values.istio.virtualService.hosts | default (list (include "ml-model.fullname" .)) | toYaml -}}
{{- end -}}

{{/* What a request has to match: path, and headers if there are any. */}}
{{- define "ml-model.virtualService.match" -}}
{{- $path := .root.Values.istio.virtualService.path -}}
{{- $headers := ternary (dict "headers" .headers) (dict) (not (empty .headers)) -}}
{{- $matches := list -}}
{{- if ne $path "/" -}}
{{- /* Both, because a prefix alone also matches /iris2. */}}
{{- range list (dict "exact" $path) (dict "prefix" (printf "%s/" $path)) -}}
{{- $matches = append $matches (merge (dict "uri" .) $headers) -}}
{{- end -}}
{{- else if .headers -}}
{{- $matches = list $headers -}}
{{- end -}}
{{- with $matches -}}
match:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* What the VirtualService does with every request: rewrite, timeout, retries and faults. */}}
{{- define "ml-model.virtualService.way" -}}
{{- with .Values.istio.virtualService }}
{{- if ne .path "/" }}
rewrite:
  uriRegexRewrite:
    match: {{ printf "^%s/?(.*)$" (regexQuoteMeta .path) | toJson }}
    rewrite: '/\1'
{{- end }}
{{- with .timeout }}
timeout: {{ . | quote }}
{{- end }}
retries:
  attempts: {{ int64 .retries.attempts }}
  {{- if int64 .retries.attempts }}
  {{- with .retries.perTryTimeout }}
  perTryTimeout: {{ . | quote }}
  {{- end }}
  retryOn: {{ join "," .retries.conditions | quote }}
  {{- end }}
{{- with .faults }}
{{- if or .delayPercent .abortPercent }}
fault:
  {{- if .delayPercent }}
  delay:
    fixedDelay: {{ .delay | quote }}
    percentage:
      value: {{ .delayPercent }}
  {{- end }}
  {{- if .abortPercent }}
  abort:
    httpStatus: {{ int64 .abortStatus }}
    percentage:
      value: {{ .abortPercent }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
Where everyone's requests to a port of the Services lead. With a canary, to two Services, so that the controller leaves
DestinationRules alone. include "ml-model.virtualService.destinations" (dict "root" $ "port" 80)
*/}}
{{- define "ml-model.virtualService.destinations" -}}
{{- $name := include "ml-model.fullname" .root -}}
{{- $weights := dict $name 100 -}}
{{- if eq .root.Values.rollout.router "istio" -}}
{{- $weights = dict (printf "%s-stable" $name) 100 (printf "%s-canary" $name) 0 -}}
{{- end -}}
{{- /* The stable version first. */}}
{{- range keys $weights | sortAlpha | reverse }}
- destination:
    host: {{ . | quote }}
    port:
      number: {{ int64 $.port }}
  weight: {{ get $weights . }}
{{- end }}
{{- end -}}

{{- define "ml-model.virtualService.spec" -}}
hosts:
  {{- include "ml-model.virtualService.hosts" . | nindent 2 }}
gateways:
  {{- toYaml .Values.istio.virtualService.gateways | nindent 2 }}
http:
  {{- $testers := dict }}
  {{- with .Values.rollout.testers.header }}
  {{- $testers = dict (lower .) (dict "exact" $.Values.rollout.testers.value) }}
  {{- end }}
  {{- if .Values.grpc.enabled }}
  {{- /* First, because the routes of HTTP match every request. A proxy speaks to each port the port's own protocol. */}}
  {{- $calls := dict "content-type" (dict "prefix" "application/grpc") }}
  {{- include "ml-model.virtualService.routes" (dict
        "root" . "name" "grpc" "port" .Values.grpc.port "headers" $calls "testers" $testers) | trim | nindent 2 }}
  {{- end }}
  {{- include "ml-model.virtualService.routes" (dict
        "root" . "name" "primary" "port" .Values.service.port "headers" dict "testers" $testers) | trim | nindent 2 }}
{{- end -}}

{{/*
The routes to a port of the Services: testers first, then everyone.
include "ml-model.virtualService.routes" (dict "root" $ "name" n "port" p "headers" (...) "testers" (...))
*/}}
{{- define "ml-model.virtualService.routes" -}}
{{- with .testers }}
- name: {{ ternary "testers" (printf "testers-%s" $.name) (eq $.name "primary") | quote }}
  {{- include "ml-model.virtualService.match" (dict "root" $.root "headers" (merge (dict) . $.headers)) | nindent 2 }}
  {{- include "ml-model.virtualService.way" $.root | trim | nindent 2 }}
  route:
    - destination:
        host: {{ include "ml-model.newestService" $.root | quote }}
        port:
          number: {{ int64 $.port }}
{{- end }}
- name: {{ .name | quote }}
  {{- with include "ml-model.virtualService.match" (dict "root" .root "headers" .headers) }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- include "ml-model.virtualService.way" .root | trim | nindent 2 }}
  route:
    {{- include "ml-model.virtualService.destinations" (dict "root" .root "port" .port) | trim | nindent 4 }}
{{- end -}}

{{/* The controller of a canary owns the weights: its object has a name of its own for each change of the rest. */}}
{{- define "ml-model.virtualService.name" -}}
{{- if eq .Values.rollout.router "istio" -}}
{{- include "ml-model.routeName" (dict "root" . "static" (include "ml-model.virtualService.spec" .)) -}}
{{- else -}}
{{- include "ml-model.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* Port of the tunnel between pods of an ambient mesh: a NetworkPolicy sees this one, whatever is asked for. */}}
{{- define "ml-model.tunnelPort" -}}
{{- if include "ml-model.isAmbient" . -}}
- port: 15008
  protocol: TCP
{{- end -}}
{{- end -}}

{{/*
Peers of the NetworkPolicy that may call the model: those of the values, the waypoint that forwards for them, and the
chart's own tests: `helm test`, and the one before a blue-green switch, which is stuck otherwise.
*/}}
{{- define "ml-model.networkPolicy.from" -}}
{{- $peers := include "ml-model.compact" .Values.networkPolicy.from | fromJson -}}
{{- with .Values.istio.waypoint -}}
{{- $label := dict "gateway.networking.k8s.io/gateway-name" . -}}
{{- $_ := set $peers "waypoint" (dict "podSelector" (dict "matchLabels" $label)) -}}
{{- end -}}
{{- $isSmoked := include "ml-model.isSmoked" . -}}
{{- range $component, $isThere := dict "smoke" $isSmoked "test" .Values.test.enabled -}}
{{- if and $isThere (not (hasKey $peers "same-namespace")) -}}
{{- $labels := include "ml-model.predict.labels" (dict "root" $ "component" $component) | fromYaml -}}
{{- $_ := set $peers (printf "chart-%s" $component) (dict "podSelector" (dict "matchLabels" $labels)) -}}
{{- end -}}
{{- end -}}
{{- toJson $peers -}}
{{- end -}}

{{/* Peers that are the kubelet's probes: an ambient mesh sends them from these addresses. */}}
{{- define "ml-model.probePeers" -}}
- ipBlock:
    cidr: 169.254.7.127/32
- ipBlock:
    cidr: fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128
{{- end -}}
