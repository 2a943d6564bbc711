{{/*
Rules of a broker, its names and its credentials, of the consumer and of trainings, in a context whose values have such a
`consumer`: include "ml-model.requireQueue" (dict "context" c "of" "the consumer" "key" "consumer")
*/}}
{{- define "ml-model.requireQueue" -}}
{{- $of := .of -}}
{{- $at := .key -}}
{{- with .context -}}
{{- $context := . -}}
{{- $values := .Values -}}
{{- $consumer := $values.consumer -}}
{{- $queue := $consumer.queue -}}
{{- $replies := $consumer.replies -}}
{{- $brokers := include "ml-model.consumer.brokers" . | fromJson | keys | sortAlpha -}}
{{- $stores := include "ml-model.consumer.stores" . | fromJson | keys | sortAlpha -}}
{{- $host := "([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\\[[0-9a-fA-F:]+\\])(:[0-9]{1,5})?" -}}


{{- /* --- places --- */ -}}
{{- range $key, $place := dict "queue" $queue "replies" $replies -}}
{{- $isQueue := eq $key "queue" -}}
{{- $url := $place.url -}}
{{- if and $isQueue (not $url) -}}
{{- fail (printf "ERROR: %s has no broker: expected a URL, found none; set %s.queue.url" $of $at) -}}
{{- end -}}
{{- if $url -}}
{{- $schemes := ternary $brokers $stores $isQueue -}}
{{- $scheme := splitList "://" $url | first -}}
{{- /* Not shown: there may be a password in it. */ -}}
{{- if regexMatch "^[^/]*//[^/]*@" $url -}}
{{- fail (printf "ERROR: the URL of %s's %s has a user or a password: expected none, because git and the Deployment would show it, found one before the @; set %s.credentials.secretName, user and password, and remove them from %s.%s.url" $of $key $at $at $key) -}}
{{- end -}}
{{- if not (and (contains "://" $url) (has $scheme $schemes)) -}}
{{- fail (printf "ERROR: the URL of %s's %s has an unknown scheme: expected one of %s, found %s; set %s.%s.url" $of $key (join ", " $schemes) $url $at $key) -}}
{{- end -}}
{{- $shape := printf "^[a-z]+://%s/?$" $host -}}
{{- $form := "host and port" -}}
{{- if hasPrefix "redis" $scheme -}}
{{- $shape = printf "^[a-z]+://%s(/[0-9]*)?$" $host -}}
{{- $form = "host, port and number of the database" -}}
{{- else if hasPrefix "amqp" $scheme -}}
{{- $shape = printf "^[a-z]+://%s(/[^/?#\\s]*)?$" $host -}}
{{- $form = "host, port and vhost" -}}
{{- else if hasPrefix "kafka" $scheme -}}
{{- $shape = printf "^[a-z+]+://%s(,%s)*(\\?mechanism=[A-Z0-9-]+)?$" $host $host -}}
{{- $form = "hosts with ports, and a mechanism," -}}
{{- else if eq $scheme "file" -}}
{{- $shape = "^file://(/[^/?#\\s]+)+$" -}}
{{- $form = "an absolute folder" -}}
{{- else if not (has $scheme $brokers) -}}
{{- $shape = "^[a-z0-9]+://[^/?#@\\s]+(/[^?#\\s]*)?$" -}}
{{- $form = "bucket and path" -}}
{{- end -}}
{{- $port := (include "ml-model.consumer.address" $url | fromJson).port | int64 -}}
{{- if or (not (regexMatch $shape $url)) (gt $port 65535) -}}
{{- fail (printf "ERROR: the URL of %s's %s is invalid: expected %s:// and %s alone, found %s; set %s.%s.url" $of $key $scheme $form $url $at $key) -}}
{{- end -}}
{{- if and $values.networkPolicy.enabled (ne $scheme "file") -}}
{{- if not (include "ml-model.consumer.peers" (dict "root" $context "url" $url "egress" $place.egress) | fromJson) -}}
{{- fail (printf "ERROR: the network policy blocks %s's %s: expected at least one peer, because %s names no Service of the cluster, found none; set %s.%s.egress.to" $of $key $url $at $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* --- names --- */ -}}
{{- $names := include "ml-model.consumer.names" . | fromJson -}}
{{- $keys := dict "name" "queue.name" "group" "queue.group" "dead" "queue.dead" "replies" "replies.name" -}}
{{- range $part, $name := $names -}}
{{- if not (regexMatch "^[A-Za-z0-9_-]{1,200}$" $name) -}}
{{- fail (printf "ERROR: a name of %s is invalid: expected up to 200 letters, digits, dashes and underscores, found %s; set %s.%s" $of $name $at (get $keys $part)) -}}
{{- end -}}
{{- end -}}
{{- if ne 3 (list $names.name $names.dead $names.replies | uniq | len) -}}
{{- fail (printf "ERROR: %s would read what it writes: expected three names, found %s for requests, %s for dead letters and %s for answers; set %s.queue.name, %s.queue.dead or %s.replies.name" $of $names.name $names.dead $names.replies $at $at $at) -}}
{{- end -}}

{{- /* --- credentials --- */ -}}
{{- $credentials := $consumer.credentials -}}
{{- $used := omit $credentials "secretName" -}}
{{- $isEmpty := not (or $used.user $used.password $used.file $used.ca $used.certificate $used.key) -}}
{{- if and $credentials.secretName $isEmpty -}}
{{- fail (printf "ERROR: the Secret %s of %s has no use: expected at least one of its keys, found none; set %s.credentials.password" $credentials.secretName $of $at) -}}
{{- end -}}
{{- if and (not $credentials.secretName) (not $isEmpty) -}}
{{- fail (printf "ERROR: the credentials of %s have no Secret: expected its name, found none; set %s.credentials.secretName" $of $at) -}}
{{- end -}}
{{- if and $credentials.user (not $credentials.password) -}}
{{- fail (printf "ERROR: the user of %s has no password: expected a key, found none; set %s.credentials.password" $of $at) -}}
{{- end -}}
{{- if and $credentials.file (or $credentials.user $credentials.password) -}}
{{- fail (printf "ERROR: %s has two ways to authenticate: expected a credentials file, or user and password, found both; set %s.credentials.file to empty, or the other two" $of $at) -}}
{{- end -}}
{{- if and $credentials.file (not (include "ml-model.consumer.isNats" .)) -}}
{{- fail (printf "ERROR: only NATS has credentials files: expected user and password, found a file; set %s.credentials.file to empty" $at) -}}
{{- end -}}
{{- if ne (empty $credentials.certificate) (empty $credentials.key) -}}
{{- fail (printf "ERROR: %s's certificate is incomplete: expected a certificate with its key, found one of them; set %s.credentials.%s" $of $at (ternary "certificate" "key" (empty $credentials.certificate))) -}}
{{- end -}}
{{- $encrypted := "" -}}
{{- range list $queue.url $replies.url -}}
{{- if regexMatch "^(tls|rediss|amqps|kafka\\+ssl)://" . -}}{{- $encrypted = "true" -}}{{- end -}}
{{- end -}}
{{- if and (or $credentials.ca $credentials.certificate) (not $encrypted) -}}
{{- fail (printf "ERROR: %s's certificates do not apply: expected TLS, found %s; set %s.queue.url to tls://, rediss://, amqps:// or kafka+ssl://" $of $queue.url $at) -}}
{{- end -}}
{{- end -}}
{{- end -}}
