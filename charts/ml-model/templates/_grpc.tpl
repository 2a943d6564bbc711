{{/*
The root as a route for gRPC sees it: the port of each Service is the one for gRPC, so that backends, shares and copies
are those of the HTTPRoute.
*/}}
{{- define "ml-model.grpc.values" -}}
{{- $values := deepCopy .Values -}}
{{- $_ := set $values.service "port" $values.grpc.port -}}
{{- toJson $values -}}
{{- end -}}

{{/*
Matches of a rule, one for each gRPC service: include "ml-model.grpcRoute.matches" (dict "root" $ "header" h "value" v)
*/}}
{{- define "ml-model.grpcRoute.matches" -}}
matches:
  {{- range $service := .root.Values.grpcRoute.services }}
  - method:
      type: Exact
      service: {{ $service | quote }}
    {{- with $.header }}
    headers:
      - type: Exact
        name: {{ . | quote }}
        value: {{ $.value | quote }}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* Rules of the GRPCRoute, as many as the HTTPRoute has: testers first, then everyone. */}}
{{- define "ml-model.grpcRoute.rules" -}}
{{- $root := set (omit . "Values") "Values" (include "ml-model.grpc.values" . | fromJson) -}}
{{- with .Values.rollout.testers.header }}
- {{ include "ml-model.grpcRoute.matches" (dict "root" $ "header" . "value" $.Values.rollout.testers.value) | indent 2 | trim }}
  backendRefs:
    {{- $service := include "ml-model.newestService" $ }}
    {{- include "ml-model.backend" (dict "root" $root "name" $service "weight" 1) | nindent 4 }}
{{- end }}
{{- range $name, $variant := include "ml-model.variants" . | fromJson }}
{{- with $variant.match }}
- {{ include "ml-model.grpcRoute.matches" (dict "root" $ "header" .header "value" (.value | default "true")) | indent 2 | trim }}
  backendRefs:
    {{- $service := printf "%s-%s" (include "ml-model.fullname" $) $name }}
    {{- include "ml-model.backend" (dict "root" $root "name" $service "weight" 1) | nindent 4 }}
{{- end }}
{{- end }}
- {{ include "ml-model.grpcRoute.matches" (dict "root" .) | indent 2 | trim }}
  {{- with include "ml-model.mirrorFilters" $root | trim }}
  filters:
    {{- . | nindent 4 }}
  {{- end }}
  backendRefs:
    {{- include "ml-model.variantBackends" $root | nindent 4 }}
{{- end -}}

{{/* The GRPCRoute without its name, whose part it may be. */}}
{{- define "ml-model.grpcRoute.spec" -}}
{{ include "ml-model.route.listeners" .Values.grpcRoute }}
rules:
  {{- include "ml-model.grpcRoute.rules" . | trim | nindent 2 }}
{{- end -}}

{{- define "ml-model.grpcRoute.name" -}}
{{- if eq .Values.rollout.router "gatewayPlugin" -}}
{{- include "ml-model.routeName" (dict "root" . "static" (include "ml-model.grpcRoute.spec" .)) -}}
{{- else -}}
{{- include "ml-model.fullname" . -}}
{{- end -}}
{{- end -}}

{{/*
Whether the pods' proxies need a Sidecar: Istio builds one cluster for each port of a pod, and takes its protocol from
the first port of a Service that leads there, HTTP/1.1.
*/}}
{{- define "ml-model.grpc.sidecar" -}}
{{- $istio := .Values.istio -}}
{{- $route := $istio.virtualService -}}
{{- $callers := include "ml-model.anyEntry" (list $istio.allow $istio.allowMetrics $istio.jwt) -}}
{{- $isMeshed := or $istio.mtls $callers (and $route.enabled (has "mesh" $route.gateways)) -}}
{{- $isWanted := or (eq $istio.grpcSidecar "always") (and (eq $istio.grpcSidecar "auto") $isMeshed) -}}
{{- if and .Values.grpc.enabled $isWanted (not (include "ml-model.isAmbient" .)) -}}true{{- end -}}
{{- end -}}

{{/*
Host names that two routes have in common, as JSON: include "ml-model.grpc.sharedHosts" (dict "one" (...) "other" (...))
None means every host of the listener, and *.example covers all below it.
*/}}
{{- define "ml-model.grpc.sharedHosts" -}}
{{- $shared := list -}}
{{- range $one := .one | default (list "*") -}}
{{- range $other := $.other | default (list "*") -}}
{{- $suffix := trimPrefix "*" $one -}}
{{- $otherSuffix := trimPrefix "*" $other -}}
{{- $covers := and (hasPrefix "*" $one) (hasSuffix $suffix $other) -}}
{{- $isCovered := and (hasPrefix "*" $other) (hasSuffix $otherSuffix $one) -}}
{{- if or (eq $one $other) $covers $isCovered -}}
{{- $shared = append $shared (ternary (ternary "every host" $other (eq $other "*")) $one (eq $one "*")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $shared -}}
{{- end -}}
