{{/*
A CIDR as JSON: the numbers of its groups, how many bits each has, and the length of its prefix. Its form is the schema's.
*/}}
{{- define "ml-model.cidr.parts" -}}
{{- $length := regexFind "[0-9]+$" . | int64 -}}
{{- $address := regexReplaceAll "/.*$" . "" -}}
{{- $groups := splitList "." $address -}}
{{- $width := 8 -}}
{{- $prefix := "" -}}
{{- if contains ":" $address -}}
{{- $width = 16 -}}
{{- $prefix = "0x" -}}
{{- $sides := splitList "::" $address -}}
{{- $groups = first $sides | splitList ":" | compact -}}
{{- if eq 2 (len $sides) -}}
{{- $end := last $sides | splitList ":" | compact -}}
{{- /* At least one: beside eight there are nine then. */ -}}
{{- range until (sub 8 (add (len $groups) (len $end)) | max 1 | int) -}}{{- $groups = append $groups "0" -}}{{- end -}}
{{- $groups = concat $groups $end -}}
{{- end -}}
{{- end -}}
{{- $numbers := list -}}
{{- range $groups -}}{{- $numbers = append $numbers (printf "%s%s" $prefix . | int64) -}}{{- end -}}
{{- dict "groups" $numbers "width" $width "length" $length | toJson -}}
{{- end -}}

{{/* The groups of a CIDR, each without its bits beyond a prefix: include "ml-model.cidr.cut" (dict "parts" p "length" n) */}}
{{- define "ml-model.cidr.cut" -}}
{{- $length := int64 .length -}}
{{- $width := int64 .parts.width -}}
{{- $cut := list -}}
{{- range $at, $group := .parts.groups -}}
{{- /* How many bits of this group are beyond the prefix. */ -}}
{{- $free := sub (mul $width (add $at 1)) $length | max 0 | min $width -}}
{{- $size := 1 -}}
{{- range until (int $free) -}}{{- $size = mul $size 2 -}}{{- end -}}
{{- $cut = append $cut (sub (int64 $group) (mod (int64 $group) $size)) -}}
{{- end -}}
{{- join " " $cut -}}
{{- end -}}

{{/*
Why the API server refuses a CIDR: it has more groups than an address, or bits beyond its prefix, as 10.0.0.1/8. Empty if
it takes it.
*/}}
{{- define "ml-model.cidr.problem" -}}
{{- $parts := include "ml-model.cidr.parts" . | fromJson -}}
{{- $group := "[0-9a-f]{1,4}" -}}
{{- $few := printf "(%s(:%s){0,6})?" $group $group -}}
{{- if and (contains ":" .) (or (gt (len $parts.groups) 8) (not (regexMatch (printf "^(%s(:%s){7}|%s::%s)/" $group $group $few $few) .))) -}}
a CIDR of IPv6 with eight groups, or fewer around ::
{{- else if ne (include "ml-model.cidr.cut" (dict "parts" $parts "length" $parts.length)) (include "ml-model.cidr.cut" (dict "parts" $parts "length" 128)) -}}
a CIDR without bits beyond its prefix
{{- end -}}
{{- end -}}

{{/*
Refuse a peer that the API server refuses: include "ml-model.requirePeer" (dict "peer" p "what" "the peer store" "key" k)
*/}}
{{- define "ml-model.requirePeer" -}}
{{- $what := .what -}}
{{- $key := .key -}}
{{- $peer := include "ml-model.compact" .peer | fromJson -}}
{{- with $peer.ipBlock -}}
{{- if ne 1 (len $peer) -}}
{{- fail (printf "ERROR: %s is invalid: expected addresses or selectors, found both; set %s" $what $key) -}}
{{- end -}}
{{- range $cidr := concat (list .cidr) (.except | default list) -}}
{{- with include "ml-model.cidr.problem" $cidr -}}
{{- fail (printf "ERROR: %s is invalid: expected %s, found %s; set %s" $what . $cidr $key) -}}
{{- end -}}
{{- end -}}
{{- $outer := include "ml-model.cidr.parts" .cidr | fromJson -}}
{{- $within := include "ml-model.cidr.cut" (dict "parts" $outer "length" $outer.length) -}}
{{- range .except -}}
{{- $inner := include "ml-model.cidr.parts" . | fromJson -}}
{{- if or (ne $outer.width $inner.width) (le $inner.length $outer.length) (ne $within (include "ml-model.cidr.cut" (dict "parts" $inner "length" $outer.length))) -}}
{{- fail (printf "ERROR: %s is invalid: expected exceptions inside of %s, found %s; set %s" $what $peer.ipBlock.cidr . $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
