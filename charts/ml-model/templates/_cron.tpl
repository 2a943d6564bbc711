{{/* Cron macros and the fields that they stand for. */}}
{{- define "ml-model.cron.macros" -}}
"@hourly": 0 * * * *
"@daily": 0 0 * * *
"@midnight": 0 0 * * *
"@weekly": 0 0 * * 0
"@monthly": 0 0 1 * *
"@yearly": 0 0 1 1 *
"@annually": 0 0 1 1 *
{{- end -}}

{{/* The five fields of a schedule, as JSON; a macro is replaced by its own. */}}
{{- define "ml-model.cron.fields" -}}
{{- $macros := include "ml-model.cron.macros" . | fromYaml -}}
{{- regexSplit " +" (get $macros . | default .) -1 | toJson -}}
{{- end -}}

{{/*
What the API server would find wrong with a schedule; empty if nothing. As in Kubernetes, Sunday is 0, not 7, and a
range does not wrap around.
*/}}
{{- define "ml-model.cron.problem" -}}
{{- $fields := include "ml-model.cron.fields" . | fromJsonArray -}}
{{- $months := dict "jan" 1 "feb" 2 "mar" 3 "apr" 4 "may" 5 "jun" 6 "jul" 7 "aug" 8 "sep" 9 "oct" 10 "nov" 11 "dec" 12 -}}
{{- $days := dict "sun" 0 "mon" 1 "tue" 2 "wed" 3 "thu" 4 "fri" 5 "sat" 6 -}}
{{- $bounds := list
      (list "minute" 0 59 (dict))
      (list "hour" 0 23 (dict))
      (list "day of the month" 1 31 (dict))
      (list "month" 1 12 $months)
      (list "day of the week" 0 6 $days) -}}
{{- if ne (len $fields) 5 -}}
five fields, or one of {{ include "ml-model.cron.macros" . | fromYaml | keys | sortAlpha | join ", " }}
{{- else -}}
{{- $problem := "" -}}
{{- range $at, $bound := $bounds -}}
{{- range $part := splitList "," (index $fields $at) -}}
{{- if not $problem -}}
{{- $found := include "ml-model.cron.part" (dict "part" $part "least" (index $bound 1) "most" (index $bound 2) "names" (index $bound 3)) -}}
{{- if ne $found "ok" -}}
{{- $problem = printf "for the %s *, numbers from %d to %d, and their ranges and steps, not %q" (first $bound) (index $bound 1) (index $bound 2) $part -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $problem -}}
{{- end -}}
{{- end -}}

{{/* "ok" if one part of a field is valid: `*`, `3`, `1-5` or `mon-fri`, each maybe with a step. */}}
{{- define "ml-model.cron.part" -}}
{{- $range := regexReplaceAll "/.*$" .part "" | lower -}}
{{- $step := trimPrefix (regexReplaceAll "/.*$" .part "") .part -}}
{{- $ends := list -}}
{{- range $end := splitList "-" $range -}}
{{- if hasKey $.names $end -}}
{{- $ends = append $ends (get $.names $end | int64) -}}
{{- else if regexMatch "^[0-9]{1,2}$" $end -}}
{{- /* int64 takes a leading zero for an octal number. */ -}}
{{- $ends = append $ends (regexReplaceAll "^0+([0-9])" $end "${1}" | int64) -}}
{{- else -}}
{{- $ends = append $ends -1 -}}
{{- end -}}
{{- end -}}
{{- if not (regexMatch "^(/0*[1-9][0-9]{0,3})?$" $step) -}}
step
{{- else if eq $range "*" -}}
ok
{{- else if gt (len $ends) 2 -}}
range
{{- else if and (ge (first $ends | int64) (int64 .least)) (le (last $ends | int64) (int64 .most)) (le (first $ends | int64) (last $ends | int64)) -}}
ok
{{- end -}}
{{- end -}}

{{/* Most hours between two runs of a valid schedule, a leap year's at worst. */}}
{{- define "ml-model.cron.periodHours" -}}
{{- $fields := include "ml-model.cron.fields" . | fromJsonArray -}}
{{- if ne (index $fields 3) "*" -}}
{{ mul 366 24 }}
{{- else if ne (index $fields 2) "*" -}}
{{ mul 31 24 }}
{{- else if ne (index $fields 4) "*" -}}
{{ mul 7 24 }}
{{- else -}}
24
{{- end -}}
{{- end -}}

{{/*
"unknown" if a time zone is none that Go knows here, as the API server does. Without a database of zones on this machine,
as in some images, nothing can be said.
*/}}
{{- define "ml-model.cron.zone" -}}
{{- $aliases := list "UTC" "UCT" "Zulu" "Universal" "Etc/UTC" "Etc/UCT" "Etc/Zulu" "Etc/Universal" -}}
{{- $day := toDate "2006-01-02" "2026-01-01" -}}
{{- if eq (lower .) "local" -}}
unknown
{{- else if and (eq "JST" (dateInZone "MST" $day "Asia/Tokyo")) (eq "UTC" (dateInZone "MST" $day .)) (not (has . $aliases)) -}}
unknown
{{- end -}}
{{- end -}}
