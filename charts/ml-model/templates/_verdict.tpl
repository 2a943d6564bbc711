{{/*
The checks of the verdict, and what files/verdict.yaml repeats its rules for: a list for each name of an `each`.
Chances of error are split where one false alarm ends the canary: each check may call a good canary worse with
alpha / (number of checks). To pass, a bad canary has to deceive the very check that sees it, so that chance is alpha.
*/}}
{{- define "ml-model.verdict.lists" -}}
{{- $analysis := .Values.rollout.analysis -}}
{{- $pod := printf "%s-([a-z0-9]+)-[a-z0-9]{5}" (include "ml-model.fullname" .) -}}
{{- $requests := "ml_requests_total{$(predictions)}" -}}
{{- $answered := "ml_requests_total{$(predictions),code%s}" -}}
{{- $own := list
      (dict "check" "availability" "kind" "bad" "count" $requests "bad" (printf $answered "=~\"5..\""))
      (dict "check" "latency" "kind" "good"
        "count" "ml_request_duration_seconds_count{$(predictions)}"
        "good" "ml_request_duration_seconds_bucket{$(predictions),$(within)}")
      (dict "check" "shed" "kind" "bad" "count" $requests "bad" (printf $answered "=\"503\""))
      (dict "check" "rejections" "kind" "bad" "count" $requests "bad" (printf $answered "=\"422\"")) -}}
{{- $checks := list -}}
{{- range $check := $own -}}
{{- with index $analysis.tolerated $check.check -}}
{{- $more := dict "tolerated" . "label" "pod" "pattern" $pod "arm" "{{args.canary-hash}}" "proportion" true -}}
{{- $checks = append $checks (merge $check $more) -}}
{{- end -}}
{{- end -}}
{{- range $name, $metric := include "ml-model.compact" $analysis.metrics | fromJson -}}
{{- $isShare := eq $metric.kind "share" -}}
{{- $isHigh := eq ($metric.worse | default "higher") "higher" -}}
{{- $kind := $isHigh | ternary "bad" ($isShare | ternary "good" "negative") -}}
{{- $check := dict "check" $name "kind" $kind "count" $metric.count "proportion" $isShare "tolerated" $metric.tolerated -}}
{{- $_ := set $check (eq $kind "good" | ternary "good" "bad") $metric.events -}}
{{- $_ := set $check "label" ($metric.label | default "pod") -}}
{{- $_ := set $check "pattern" (hasKey $metric "label" | ternary "(.+)" $pod) -}}
{{- $_ := set $check "arm" (ternary (tpl ($metric.arm | default "") $) "{{args.canary-hash}}" (hasKey $metric "arm")) -}}
{{- $checks = append $checks $check -}}
{{- end -}}
{{- $indexes := list -}}
{{- range $name := list "predictions" "confidence" -}}
{{- with index $analysis.tolerated $name -}}
{{- $indexes = append $indexes (dict "check" $name "tolerated" . "label" "pod" "pattern" $pod "arm" "{{args.canary-hash}}") -}}
{{- end -}}
{{- end -}}
{{- $errors := dict
      "worse" (divf $analysis.alpha (max 1 (add (len $checks) (len $indexes))) | toString)
      "better" (toString $analysis.alpha) -}}
{{- $shares := list -}}
{{- $counters := list (dict "check" "answers" "part" "count" "counter" "ml_batch_rows_count{$(series)}" "label" "pod" "pattern" $pod) -}}
{{- range $check := $checks -}}
{{- range $part := list "count" "bad" "good" -}}
{{- with index $check $part -}}
{{- $counters = append $counters (merge (dict "part" $part "counter" .) (pick $check "check" "label" "pattern")) -}}
{{- end -}}
{{- end -}}
{{- $shares = append $shares (merge $check $errors (dict
      "looks" ($check.proportion | ternary "3" "20") "counted" ($check.proportion | ternary "weight" "steps"))) -}}
{{- end -}}
{{- $histograms := list -}}
{{- $buckets := list -}}
{{- $classes := list -}}
{{- range $index := $indexes -}}
{{- if eq $index.check "predictions" -}}
{{- $classes = append $classes (pick $index "check") -}}
{{- $histograms = append $histograms (merge (dict "counter" "ml_predictions_total{$(series)}" "by" "prediction" "values" "(.*)") $index) -}}
{{- else -}}
{{- $histograms = append $histograms (merge (dict "counter" "ml_confidence_bucket{$(series)}" "by" "le" "values" "(.+?)([.]0)?") $index) -}}
{{- $below := "none" -}}
{{- range list "0.1" "0.2" "0.3" "0.4" "0.5" "0.6" "0.7" "0.8" "0.9" "0.95" "0.99" "1" -}}
{{- $buckets = append $buckets (dict "check" "confidence" "bin" . "below" $below) -}}
{{- $below = . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $indexes = list -}}
{{- range $index := $histograms -}}
{{- $indexes = append $indexes (merge (omit $index "counter") $errors (dict "looks" "3" "counted" "weight")) -}}
{{- end -}}
{{- $lists := dict
      "counters" $counters
      "histograms" $histograms
      "buckets" $buckets
      "classes" $classes
      "shares" $shares
      "indexes" $indexes
      "counts" (prepend $shares (dict "check" "answers"))
      "judged" (concat $shares $indexes)
      "bad" (list)
      "good" (list)
      "negative" (list)
      "proportions" (list)
      "means" (list) -}}
{{- range $share := $shares -}}
{{- $_ := set $lists $share.kind (append (index $lists $share.kind) $share) -}}
{{- $sort := $share.proportion | ternary "proportions" "means" -}}
{{- $_ := set $lists $sort (append (index $lists $sort) $share) -}}
{{- end -}}
{{- toJson $lists -}}
{{- end -}}

{{/*
What is measured: name, query, and when the result passes or fails. A query without a result does neither. Prometheus
writes one series after another: the first look may find the lower bound alone, which is below everything.
*/}}
{{- define "ml-model.verdict.measures" -}}
{{- $lists := include "ml-model.verdict.lists" . | fromJson -}}
{{- $words := include "ml-model.ruleWords" . | fromJson -}}
{{- $own := $words.own -}}
{{- $canary := printf "%s,arm=\"{{args.canary-hash}}\"" $own -}}
{{- $canaryPods := printf "%s,pod=~\"%s-{{args.canary-hash}}-[a-z0-9]{5}\"" $words.series $words.name -}}
{{- $both := printf "and on () ml:verdict_pods{%s,arm=\"{{args.stable-hash}}\"}" $own -}}
{{- $measures := list -}}
{{- range $check := $lists.judged -}}
{{- $query := printf "ml:verdict_bound{%s,check=%q,arm=%q} %s" $own $check.check $check.arm $both -}}
{{- if eq $check.check "confidence" -}}
{{- /* A regressor has none, and nothing to compare. */ -}}
{{- $none := printf "count(ml_model_info{%s}) * 0 unless on () ml_confidence_count{%s}" $canaryPods $canaryPods -}}
{{- $zeros := list -}}
{{- range $bound := list "lower" "upper" -}}
{{- $zeros = append $zeros (printf "label_replace(%s, \"bound\", %q, \"\", \"\")" $none $bound) -}}
{{- end -}}
{{- $query = printf "(%s) or on () (%s)" $query (join " or " $zeros) -}}
{{- end -}}
{{- $measures = append $measures (dict
      "name" $check.check
      "query" $query
      "passes" (printf "len(result) == 2 && all(result, {# < %s})" (toString $check.tolerated))
      "fails" (printf "len(result) > 0 && all(result, {# > %s})" (toString $check.tolerated))) -}}
{{- end -}}
{{- $restarts := int64 .Values.rollout.analysis.maxRestarts -}}
{{- $measures = append $measures (dict
      "name" "restarts"
      "query" (printf "ml:verdict_restarts{%s}" $canary)
      "passes" (printf "len(result) > 0 && result[0] <= %d" $restarts)
      "fails" (printf "len(result) > 0 && result[0] > %d" $restarts)) -}}
{{- if .Values.model.digest -}}
{{- $pods := printf "sum(ml:verdict_pods{%s})" $canary -}}
{{- $measures = append $measures (dict
      "name" "digest"
      "query" (printf "sum(ml:verdict_pods{%s,digest!=\"{{args.digest}}\"}) or %s * 0" $canary $pods)
      "passes" "len(result) > 0 && result[0] == 0"
      "fails" "len(result) > 0 && result[0] > 0") -}}
{{- end -}}
{{- toJson $measures -}}
{{- end -}}

{{/* Arguments of an AnalysisTemplate: the label rollouts-pod-template-hash of either version's pods, and the new digest. */}}
{{- define "ml-model.verdict.args" -}}
args:
  - name: canary-hash
  - name: stable-hash
  {{- if .Values.model.digest }}
  - name: digest
  {{- end }}
{{- end -}}

{{/* One metric: include "ml-model.verdict.metric" (dict "root" $ "measure" m "suffix" "" "until" (dict ...)) */}}
{{- define "ml-model.verdict.metric" -}}
{{- $provider := dict "prometheus" (dict "address" .root.Values.rollout.analysis.prometheus.serverAddress "query" .measure.query) -}}
{{- $metric := dict "name" (printf "%s%s" .measure.name (.suffix | default "")) "interval" "30s" "provider" $provider -}}
- {{ toYaml (merge $metric .until) | indent 2 | trim }}
{{- end -}}
