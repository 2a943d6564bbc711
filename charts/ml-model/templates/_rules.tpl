{{/* The value of each $(name) in files/rules.yaml. */}}
{{- define "ml-model.ruleWords" -}}
{{- $rules := .Values.metrics.rules -}}
{{- $name := include "ml-model.workloadName" . -}}
{{- $namespace := include "ml-model.namespace" . -}}
{{- /* A ServiceMonitor's job is the Service, a PodMonitor's its own namespace and name. */ -}}
{{- $series := printf "namespace=%q,job=~\"(%s/)?%s\"" $namespace $namespace $name -}}
{{- $bound := $rules.latency.seconds | toString -}}
{{- $words := dict
      "name" $name
      "namespace" $namespace
      "series" $series
      "predictions" (printf "%s,route=~\".*[/:](predict|predict/batch|invocations|infer|ModelInfer)\"" $series)
      "explanations" (printf "%s,route=~\".*[/:]explain\"" $series)
      "consumed" (printf "namespace=%q,job=~\"(%s/)?%s-consumer\"" $namespace $namespace $name)
      "oldestSeconds" (.Values.consumer.alerts.oldestSeconds | int64 | toString)
      "own" (printf "namespace=%q,release=%q" $namespace $name)
      "pods" (printf "namespace=%q,pod=~\"%s-[a-z0-9]+-[a-z0-9]{5}\"" $namespace $name)
      "application" (tpl $rules.application .)
      "availability" ($rules.availability.target | toString)
      "latency" ($rules.latency.target | toString)
      "seconds" $bound
      "within" (contains "." $bound | ternary (printf "le=%q" $bound) (printf "le=~\"%s([.]0)?\"" $bound))
      "minimumRequests" ($rules.minimumRequests | int64 | toString)
      "minimumRows" ($rules.drift.minimumRows | int64 | toString)
      "saturation" ($rules.saturation | toString)
      "shedding" ($rules.shedding | toString)
      "rejections" ($rules.rejections | toString)
      "staleDays" ($rules.staleDays | int64 | toString)
      "pausedHours" ($rules.pausedHours | int64 | toString)
      "driftWarning" ($rules.drift.warning | toString)
      "driftCritical" ($rules.drift.critical | toString)
      "canaryMinimum" (.Values.rollout.analysis.minimumRequests | int64 | toString) -}}
{{- toJson $words -}}
{{- end -}}

{{/* Conditions for `when` of a group or rule; the empty one is always true. */}}
{{- define "ml-model.ruleConditions" -}}
{{- $least := .Values.replicaCount -}}
{{- if .Values.autoscaling.enabled -}}
{{- $least = .Values.autoscaling.minReplicas -}}
{{- else if .Values.keda.enabled -}}
{{- $least = .Values.keda.minReplicas -}}
{{- end -}}
{{- $rules := .Values.metrics.rules -}}
{{- /* A variant has none. */ -}}
{{- $consumer := and .Values.consumer.enabled (not (hasKey . "variant")) -}}
{{- dict
      "" true
      "consumer" $consumer
      "consumer-pods" (and $consumer $rules.kubernetes)
      "shared-cache" (and .Values.cache.enabled (ne .Values.cache.redis.url ""))
      "pods" (gt (int64 $least) 0)
      "stale" (gt (int64 $rules.staleDays) 0)
      "verdict" .Values.rollout.analysis.enabled
      "deployment" (ne (include "ml-model.isRollout" .) "true")
      "rollout" (eq (include "ml-model.isRollout" .) "true")
      "kubernetes" $rules.kubernetes
      "argocd" $rules.argocd | toJson -}}
{{- end -}}

{{/* One finished rule: include "ml-model.rule" (dict "root" $ "rule" ... "words" ...). */}}
{{- define "ml-model.rule" -}}
{{- $text := omit .rule "each" "when" | toJson -}}
{{- range $word, $value := .words -}}
{{- /* The text is JSON, so the value is inserted as a JSON string without its quotes. */ -}}
{{- $text = replace (printf "$(%s)" $word) (toJson $value | trimPrefix "\"" | trimSuffix "\"") $text -}}
{{- end -}}
{{- $rule := fromJson $text -}}
{{- $rules := .root.Values.metrics.rules -}}
{{- $labels := dict "namespace" .words.namespace "release" .words.name -}}
{{- if $rule.alert -}}
{{- $_ := set $rule.labels "severity" (index $rules.severity $rule.labels.severity) -}}
{{- $_ := set $rule.annotations "runbook_url" (printf "%s/%s.md" (trimSuffix "/" $rules.runbookUrl) $rule.alert) -}}
{{- $labels = merge $labels (include "ml-model.compact" $rules.alertLabels | fromJson) -}}
{{- end -}}
{{- $_ := set $rule "labels" (merge ($rule.labels | default dict) $labels) -}}
{{- toJson $rule -}}
{{- end -}}

{{/* The groups of the release's rules, as JSON `{groups: [...]}`. */}}
{{- define "ml-model.ruleGroups" -}}
{{- $words := include "ml-model.ruleWords" . | fromJson -}}
{{- $true := include "ml-model.ruleConditions" . | fromJson -}}
{{- $disabled := include "ml-model.compact" .Values.metrics.rules.disabled | fromJson -}}
{{- $lists := merge (include "ml-model.batch.lists" . | fromJson) (include "ml-model.training.lists" . | fromJson) -}}
{{- if $true.verdict -}}
{{- $lists = merge $lists (include "ml-model.verdict.lists" . | fromJson) -}}
{{- end -}}
{{- $once := list (dict) -}}
{{- $groups := list -}}
{{- range $file := list "files/rules.yaml" "files/verdict.yaml" -}}
{{- range $group := ($.Files.Get $file | fromYaml).groups -}}
{{- if index $true ($group.when | default "") -}}
{{- $rules := list -}}
{{- range $outer := $group.each | default $once -}}
{{- range $rule := $group.rules -}}
{{- if and (index $true ($rule.when | default "")) (not (index $disabled ($rule.alert | default ""))) -}}
{{- range $inner := kindIs "string" $rule.each | ternary (index $lists (toString $rule.each)) ($rule.each | default $once) -}}
{{- $all := merge (dict) $inner $outer $words -}}
{{- $rules = append $rules (include "ml-model.rule" (dict "root" $ "rule" $rule "words" $all) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $rules -}}
{{- $groups = append $groups (dict "name" $group.name "interval" $group.interval "rules" $rules) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "groups" $groups | toJson -}}
{{- end -}}
