{{/* Amounts of resources as texts, as Kubernetes keeps them, in JSON. */}}
{{- define "ml-model.amounts" -}}
{{- $amounts := dict -}}
{{- range $resource, $amount := include "ml-model.compact" . | fromJson -}}
{{- $_ := set $amounts $resource (toString $amount) -}}
{{- end -}}
{{- toJson $amounts -}}
{{- end -}}

{{/* Resources of a container. */}}
{{- define "ml-model.resources" -}}
{{- $result := dict -}}
{{- range $kind := list "requests" "limits" -}}
{{- with include "ml-model.amounts" (get $ $kind | default dict) | fromJson -}}{{- $_ := set $result $kind . -}}{{- end -}}
{{- end -}}
{{- toYaml $result -}}
{{- end -}}

{{/* A quantity of Kubernetes as a number: 250m is 0.25, 1Ki 1024. */}}
{{- define "ml-model.amount" -}}
{{- $text := ternary . (float64 . | toString) (kindIs "string" .) -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- $factors := dict "" 1 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18
      "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 -}}
{{- mulf (trimSuffix $unit $text | float64) (get $factors $unit) -}}
{{- end -}}

{{/*
Refuse resources of a container that Kubernetes would: include "ml-model.requireResources" (dict "of" "the model" "key"
"resources" "resources" r)
*/}}
{{- define "ml-model.requireResources" -}}
{{- $limits := .resources.limits | default dict -}}
{{- $requests := .resources.requests | default dict -}}
{{- range $resource, $amount := $requests -}}
{{- $limit := get $limits $resource | default "" -}}
{{- $asked := include "ml-model.amount" $amount | float64 -}}
{{- $most := include "ml-model.amount" (default $amount $limit) | float64 -}}
{{- if and (or (contains "/" $resource) (hasPrefix "hugepages-" $resource)) (or (not $limit) (ne $asked $most)) -}}
{{- fail (printf "ERROR: the requests of %s for %s differ from its limits: expected equal amounts of an extended resource, found %v and %v; set %s.limits" $.of $resource $amount (default "none" $limit) $.key) -}}
{{- end -}}
{{- if gt $asked $most -}}
{{- fail (printf "ERROR: the requests of %s for %s are above its limits: expected at most %v, found %v; set %s.limits" $.of $resource $limit $amount $.key) -}}
{{- end -}}
{{- end -}}
{{- range $resource, $amount := merge (dict) $requests $limits -}}
{{- if hasPrefix "hugepages-" $resource -}}
{{- $page := trimPrefix "hugepages-" $resource -}}
{{- if mod (include "ml-model.amount" $amount | float64 | int64) (include "ml-model.amount" $page | float64 | int64) -}}
{{- fail (printf "ERROR: the amount of %s for %s is no number of pages: expected a multiple of %s, found %v; set %s.limits" $resource $.of $page $amount $.key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Fails if the memory does not suit the workers: include "ml-model.requireMemory" (dict "root" $ "key" "resources") */}}
{{- define "ml-model.requireMemory" -}}
{{- $values := .root.Values -}}
{{- $requests := include "ml-model.compact" $values.resources.requests | fromJson -}}
{{- $limits := include "ml-model.compact" $values.resources.limits | fromJson -}}
{{- if ne (include "ml-model.amount" ($requests.memory | default 0)) (include "ml-model.amount" ($limits.memory | default 0)) -}}
{{- fail (printf "ERROR: memory request and limit differ: expected equal values, so that the pod survives memory pressure on its node, found request %v and limit %v; set %s.limits.memory to the request" $requests.memory $limits.memory .key) -}}
{{- end -}}
{{- if not (hasKey $limits "memory") -}}
{{- fail (printf "ERROR: the model's container has no memory limit; set %s.limits.memory" .key) -}}
{{- end -}}
{{- include "ml-model.requireResources" (dict "of" "the model" "key" .key "resources" (dict "requests" $requests "limits" $limits)) -}}
{{- $measured := $values.memoryBudget -}}
{{- $workers := include "ml-model.workers" .root | int64 -}}
{{- $clients := include "ml-model.clientsMi" .root | int64 -}}
{{- $cached := include "ml-model.cache.mebibytes" .root | int64 -}}
{{- $needed := add $measured.baseMi (mul $workers (add $measured.perWorkerMi $clients $cached)) -}}
{{- if and (add $measured.baseMi $measured.perWorkerMi) (gt (mulf $needed 1048576) (include "ml-model.amount" $limits.memory | float64)) -}}
{{- fail (printf "ERROR: the memory limit is too low for %d %s: expected at least %d MiB (%d + %d for each worker and %d for its clients%s), found %v; set %s.limits.memory, workers or config.maxBodyBytes" $workers (ternary "worker" "workers" (eq $workers 1)) $needed (int64 $measured.baseMi) (int64 $measured.perWorkerMi) $clients (ternary (printf ", %d for its cache" $cached) "" (gt $cached 0)) $limits.memory .key) -}}
{{- end -}}
{{- end -}}
