{{/*
A variant is another version that serves beside the release for days, as an arm of an A/B test or as
a shadow. It is rendered from the release's own templates, in a context of its own: the root with
`variant`, its name, and with values in which image, model and capacity are the variant's.
*/}}

{{/* The variants by name, without those that a later value file removed. */}}
{{- define "ml-model.variants" -}}
{{- include "ml-model.compact" .Values.variants -}}
{{- end -}}

{{/* Name of the workload and of the objects about it: the release, one of its variants, or its consumer. */}}
{{- define "ml-model.workloadName" -}}
{{- include "ml-model.fullname" . -}}
{{- with .variant -}}-{{ . }}{{- end -}}
{{- if .consumer -}}-consumer{{- end -}}
{{- end -}}

{{/*
A template for the release, and again for each variant in its context.
include "ml-model.forEachVersion" (dict "root" $ "template" "ml-model.service")
*/}}
{{- define "ml-model.forEachVersion" -}}
{{- include .template .root }}
{{- range $name, $variant := include "ml-model.variants" .root | fromJson }}
{{- $values := include "ml-model.variantValues" (dict "root" $.root "variant" $variant) | fromJson }}
{{- with include $.template (set (set (omit $.root "Values") "Values" $values) "variant" $name) | trim }}
---
{{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
The values of the release with those of a variant. It has a Deployment whatever replaces versions of
the release, and one Service without its annotations: those may claim a host name or a load balancer.
*/}}
{{- define "ml-model.variantValues" -}}
{{- $variant := .variant -}}
{{- $values := deepCopy .root.Values -}}
{{- range $part := list "image" "model" -}}
{{- range $key, $value := index $variant $part -}}
{{- $_ := set (index $values $part) $key $value -}}
{{- end -}}
{{- end -}}
{{- $_ := set $values.rollout "strategy" "rolling" -}}
{{- $_ := set $values.rollout "keepDeployment" false -}}
{{- $annotations := include "ml-model.workloadAnnotations" .root | fromYaml -}}
{{- range $key, $value := dict "type" "ClusterIP" "headless" false "annotations" $annotations -}}
{{- $_ := set $values.service $key $value -}}
{{- end -}}
{{- if hasKey $variant "replicaCount" -}}
{{- $_ := set $values "replicaCount" $variant.replicaCount -}}
{{- $_ := set $values.autoscaling "enabled" false -}}
{{- $_ := set $values.keda "enabled" false -}}
{{- end -}}
{{- range $kind, $quantities := $variant.resources -}}
{{- range $resource, $quantity := $quantities -}}
{{- $_ := set (index $values.resources $kind) $resource $quantity -}}
{{- end -}}
{{- end -}}
{{- /* Argo CD knows the release alone; a shadow wakes nobody up. */ -}}
{{- $_ := set $values.metrics.rules "argocd" false -}}
{{- if $variant.mirror -}}
{{- $_ := set $values.metrics.rules.severity "page" $values.metrics.rules.severity.ticket -}}
{{- end -}}
{{- toJson $values -}}
{{- end -}}

{{/* Names of the variants with a share, sorted. */}}
{{- define "ml-model.sharingVariants" -}}
{{- $names := list -}}
{{- range $name, $variant := include "ml-model.variants" . | fromJson -}}
{{- if int64 $variant.share -}}{{- $names = append $names $name -}}{{- end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{/* Names of the shadows, sorted. */}}
{{- define "ml-model.shadows" -}}
{{- $names := list -}}
{{- range $name, $variant := include "ml-model.variants" . | fromJson -}}
{{- if $variant.mirror -}}{{- $names = append $names $name -}}{{- end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{/*
A backend of the HTTPRoute, in full: what is left out the API server adds, which Argo CD would show
as a difference. include "ml-model.backend" (dict "root" $ "name" n "weight" w)
*/}}
{{- define "ml-model.backend" -}}
- group: ""
  kind: Service
  name: {{ .name | quote }}
  port: {{ int64 .root.Values.service.port }}
  {{- if hasKey . "weight" }}
  weight: {{ int64 .weight }}
  {{- end }}
{{- end -}}

{{/*
The backends of the HTTPRoute with their shares. The first variant comes before the release and the
second after it: a gateway that hashes a unit takes the first backend whose cumulative weight is
above the hash, so a share that grows takes units from the release alone.
*/}}
{{- define "ml-model.variantBackends" -}}
{{- $variants := include "ml-model.variants" . | fromJson -}}
{{- /* Weights that a controller writes are not ours, and a guard refuses variants that need some. */ -}}
{{- if or (not $variants) (eq .Values.rollout.router "gatewayPlugin") -}}
{{- include "ml-model.httpRoute.backends" . -}}
{{- else -}}
{{- $primary := include "ml-model.httpRoute.backends" . | fromYamlArray | first -}}
{{- $primary = merge $primary (dict "group" "" "kind" "Service") -}}
{{- with include "ml-model.traefikMirror" . -}}
{{- $primary = dict "group" "traefik.io" "kind" "TraefikService" "name" . -}}
{{- end -}}
{{- $rest := 100 -}}
{{- $backends := list -}}
{{- range $name := include "ml-model.sharingVariants" . | fromJsonArray -}}
{{- $share := int64 (index $variants $name).share -}}
{{- $rest = sub $rest $share -}}
{{- $service := printf "%s-%s" (include "ml-model.fullname" $) $name -}}
{{- $backend := include "ml-model.backend" (dict "root" $ "name" $service "weight" $share) -}}
{{- $backends = append $backends ($backend | fromYamlArray | first) -}}
{{- end -}}
{{- $backends = prepend $backends (set $primary "weight" $rest) -}}
{{- /* With one variant or more, it changes places with the first of them. */ -}}
{{- if gt (len $backends) 1 -}}
{{- $backends = concat (list (index $backends 1) (first $backends)) (slice $backends 2) -}}
{{- end -}}
{{- /* Without filters Envoy Gateway puts the pods of all arms into one cluster, in which a hash picks a pod by their
number and not by the weights. The header also tells the pod, which ignores it, in which arm it is. */ -}}
{{- if and (include "ml-model.isSticky" .) (eq .Values.httpRoute.implementation "envoyGateway") -}}
{{- range $backend := $backends -}}
{{- $arm := trimPrefix (printf "%s-" (include "ml-model.fullname" $)) $backend.name -}}
{{- $header := dict "name" "X-Model-Arm" "value" (ternary "primary" $arm (eq $backend.name $primary.name)) -}}
{{- $filter := dict "type" "RequestHeaderModifier" "requestHeaderModifier" (dict "set" (list $header)) -}}
{{- $_ := set $backend "filters" (list $filter) -}}
{{- end -}}
{{- end -}}
{{- toYaml $backends -}}
{{- end -}}
{{- end -}}

{{/* Rules of the HTTPRoute for testers of variants. */}}
{{- define "ml-model.variantRules" -}}
{{- range $name, $variant := include "ml-model.variants" . | fromJson }}
{{- with $variant.match }}
- matches:
    - path:
        type: PathPrefix
        value: {{ $.Values.httpRoute.path | quote }}
      headers:
        - type: Exact
          name: {{ .header | quote }}
          value: {{ .value | default "true" | quote }}
  {{- with include "ml-model.httpRoute.way" (dict "root" $) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  backendRefs:
    {{- $service := printf "%s-%s" (include "ml-model.fullname" $) $name }}
    {{- include "ml-model.backend" (dict "root" $ "name" $service "weight" 1) | nindent 4 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Filters of the HTTPRoute that copy requests to shadows; their answers are dropped. */}}
{{- define "ml-model.mirrorFilters" -}}
{{- if ne .Values.httpRoute.implementation "traefik" }}
{{- $variants := include "ml-model.variants" . | fromJson }}
{{- range $name := include "ml-model.shadows" . | fromJsonArray }}
{{- $service := printf "%s-%s" (include "ml-model.fullname" $) $name }}
- type: RequestMirror
  requestMirror:
    backendRef:
      {{- include "ml-model.backend" (dict "root" $ "name" $service) | fromYamlArray | first | toYaml | nindent 6 }}
    percent: {{ int64 (index $variants $name).mirror.percent }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Name of the TraefikService that copies requests to shadows; empty without. */}}
{{- define "ml-model.traefikMirror" -}}
{{- if and (eq .Values.httpRoute.implementation "traefik") (include "ml-model.shadows" . | fromJsonArray) -}}
{{- include "ml-model.fullname" . -}}-mirror
{{- end -}}
{{- end -}}

{{/* Whether the gateway assigns units to arms by their hash. */}}
{{- define "ml-model.isSticky" -}}
{{- $unit := .Values.httpRoute.unit -}}
{{- if and (or $unit.header $unit.cookie) (include "ml-model.sharingVariants" . | fromJsonArray) -}}true{{- end -}}
{{- end -}}

{{/*
Parent Gateways of both routes, by the name of the Gateway: where the shares have to be hashed.
*/}}
{{- define "ml-model.gateways" -}}
{{- $gateways := dict -}}
{{- range $route := list .Values.httpRoute .Values.grpcRoute -}}
{{- if $route.enabled -}}
{{- range $name, $parent := include "ml-model.compact" $route.parents | fromJson -}}
{{- $_ := set $gateways ($parent.name | default $name) $parent -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $gateways -}}
{{- end -}}

{{/*
Name that Istio gives to the rule with the shares, the last one. It is one for both routes, which have the same name and
the same number of rules.
*/}}
{{- define "ml-model.istioRouteName" -}}
{{- $rules := include "ml-model.httpRoute.rules" . | fromYamlArray -}}
{{- printf "%s.%s.%d" (include "ml-model.namespace" .) (include "ml-model.httpRoute.name" .) (sub (len $rules) 1) -}}
{{- end -}}
