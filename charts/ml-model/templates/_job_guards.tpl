{{/*
Rules that batches and trainings share: include "ml-model.job.require" (dict ... "of" "batch a" "key" "batch.a" "reserved" variables)
*/}}
{{- define "ml-model.job.require" -}}
{{- $job := .job -}}
{{- $of := .of -}}
{{- $key := .key -}}

{{- /* --- resources and environment --- */ -}}
{{- if ne (include "ml-model.amount" ($job.resources.requests.memory | default 0)) (include "ml-model.amount" ($job.resources.limits.memory | default 0)) -}}
{{- fail (printf "ERROR: memory request and limit of %s differ: expected equal values, so that a run survives memory pressure on its node, found request %v and limit %v; set %s.resources.limits.memory to the request" $of $job.resources.requests.memory $job.resources.limits.memory $key) -}}
{{- end -}}
{{- include "ml-model.requireResources" (dict "of" $of "key" (printf "%s.resources" $key) "resources" $job.resources) -}}
{{- $reserved := .reserved -}}
{{- range $variable, $_ := $job.env -}}
{{- if has $variable $reserved -}}
{{- fail (printf "ERROR: the variable %s is reserved for the chart; remove %s.env.%s" $variable $key $variable) -}}
{{- end -}}
{{- end -}}
{{- range $source, $content := $job.envFrom -}}
{{- if ne 1 (omit $content "prefix" | len) -}}
{{- fail (printf "ERROR: %s.envFrom.%s is invalid: expected exactly one of secretRef and configMapRef; set %s.envFrom.%s.secretRef" $key $source $key $source) -}}
{{- end -}}
{{- end -}}
{{- range $label, $_ := include "ml-model.job.podLabels" . | fromYaml -}}
{{- if or (has $label (list "job-name" "controller-uid")) (hasPrefix "batch.kubernetes.io/" $label) -}}
{{- fail (printf "ERROR: the label %s is reserved for Jobs: expected it on no pod of %s; remove it from %s.podLabels, podLabels or commonLabels" $label $of $key) -}}
{{- end -}}
{{- end -}}

{{- /* --- egress --- */ -}}
{{- range $rule, $content := $job.egress -}}
{{- range $content.to -}}
{{- include "ml-model.requirePeer" (dict "peer" . "what" (printf "the egress %s of %s" $rule $of) "key" (printf "%s.egress.%s" $key $rule)) -}}
{{- end -}}
{{- end -}}

{{- /* --- volumes --- */ -}}
{{- $mounts := dict -}}
{{- range .paths -}}{{- $_ := set $mounts . "" -}}{{- end -}}
{{- $paths := printf "%s or %s" (initial .paths | join ", ") (last .paths) -}}
{{- $names := .names -}}
{{- range $volume, $content := $job.volumes -}}
{{- if has $volume $names -}}
{{- fail (printf "ERROR: the volume name %s is reserved for the chart; set another name than %s.volumes.%s" $volume $key $volume) -}}
{{- end -}}
{{- if ne 1 (len $content.source) -}}
{{- fail (printf "ERROR: the volume %s of %s is invalid: expected exactly one source; set %s.volumes.%s.source" $volume $of $key $volume) -}}
{{- end -}}
{{- if hasKey $mounts $content.mountPath -}}
{{- fail (printf "ERROR: the volume %s of %s is mounted over another: expected a path of its own, and not %s, found %s; set %s.volumes.%s.mountPath" $volume $of $paths $content.mountPath $key $volume) -}}
{{- end -}}
{{- $_ := set $mounts $content.mountPath $volume -}}
{{- end -}}
{{- include "ml-model.requireVolumes" (dict "root" .root "volumes" $job.volumes "key" (printf "%s.volumes" $key)) -}}
{{- end -}}

{{/* Mount paths of its volumes as JSON: all, and those of which what is written stays. */}}
{{- define "ml-model.job.folders" -}}
{{- $all := list -}}
{{- $written := list -}}
{{- range .volumes -}}
{{- $all = append $all .mountPath -}}
{{- $kind := keys .source | first -}}
{{- $read := get .source $kind -}}
{{- if and (has $kind (list "persistentVolumeClaim" "csi" "nfs")) (not $read.readOnly) (eq (toString .readOnly) "false") -}}
{{- $written = append $written .mountPath -}}
{{- end -}}
{{- end -}}
{{- dict "all" $all "written" $written | toJson -}}
{{- end -}}

{{/* Rules of its names and schedule: include "ml-model.job.requireName" (dict ... "of" o "key" k "others" map "most" 52 "for" "") */}}
{{- define "ml-model.job.requireName" -}}
{{- /* --- names --- */ -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" .name) -}}
{{- fail (printf "ERROR: the %s %s has no valid name: expected lowercase letters, digits and dashes, starting and ending without a dash; set another name in %s" .kind .name .kind) -}}
{{- end -}}
{{- if hasKey .others (printf "%s-%s" .kind .name) -}}
{{- fail (printf "ERROR: the name %s is used twice: expected unique names across %s, variants and extraObjects; set another name in %s" (include "ml-model.job.name" .) .kind .kind) -}}
{{- end -}}
{{- $kind := .kind -}}
{{- $most := .most -}}
{{- $for := .for -}}
{{- with include "ml-model.job.name" . -}}
{{- if gt (len .) (int $most) -}}
{{- fail (printf "ERROR: the name of the %s is too long: expected at most %d characters with the release's%s, found %d in %s; set a shorter name in %s, or fullnameOverride" $kind (int $most) $for (len .) . $kind) -}}
{{- end -}}
{{- end -}}
{{- with include "ml-model.job.instance" . -}}
{{- if gt (len .) 63 -}}
{{- fail (printf "ERROR: the label of the %s is too long: expected at most 63 characters with the release's name, found %d in %s; set a shorter name in %s" $kind (len .) . $kind) -}}
{{- end -}}
{{- end -}}

{{- /* --- schedule --- */ -}}
{{- $of := .of -}}
{{- $key := .key -}}
{{- $job := .job -}}
{{- with $job.schedule -}}
{{- with include "ml-model.cron.problem" . -}}
{{- fail (printf "ERROR: the schedule of %s is invalid: expected %s, found %q; set %s.schedule" $of . $job.schedule $key) -}}
{{- end -}}
{{- end -}}
{{- if include "ml-model.cron.zone" $job.timeZone -}}
{{- fail (printf "ERROR: the time zone of %s is unknown: expected one of IANA such as Europe/Berlin, found %s; set %s.timeZone" $of $job.timeZone $key) -}}
{{- end -}}
{{- end -}}
