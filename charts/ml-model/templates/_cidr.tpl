{{/*
"loose" if a CIDR has bits beyond its prefix, as 10.0.0.1/8: the API server refuses it. Its form is the schema's: four
octets, or groups before `::`.
*/}}
{{- define "ml-model.cidr" -}}
{{- $length := regexFind "[0-9]+$" . | int64 -}}
{{- $address := regexReplaceAll "/.*$" . "" -}}
{{- $groups := splitList "." $address -}}
{{- $width := 8 -}}
{{- $prefix := "" -}}
{{- if contains ":" $address -}}
{{- $groups = trimSuffix "::" $address | splitList ":" | compact -}}
{{- $width = 16 -}}
{{- $prefix = "0x" -}}
{{- end -}}
{{- range $at, $group := $groups -}}
{{- /* How many bits of this group are beyond the prefix. */ -}}
{{- $free := sub (mul $width (add $at 1)) $length | max 0 | min $width -}}
{{- $size := 1 -}}
{{- range until (int $free) -}}{{- $size = mul $size 2 -}}{{- end -}}
{{- if mod (printf "%s%s" $prefix $group | int64) $size -}}loose{{- end -}}
{{- end -}}
{{- end -}}
