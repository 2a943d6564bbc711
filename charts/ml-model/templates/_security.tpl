{{/* Whether a container has no need to escalate; Kubernetes refuses to forbid it that. */}}
{{- define "ml-model.isPrivileged" -}}
{{- with .securityContext -}}
{{- if or .privileged (has "SYS_ADMIN" ((.capabilities).add | default list)) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Security context of a container that users add, as JSON: what they set, and for the rest the chart's, which is that of Pod
Security "restricted": include "ml-model.securityOf" container
*/}}
{{- define "ml-model.securityOf" -}}
{{- $security := deepCopy (.securityContext | default dict) -}}
{{- $default := include "ml-model.containerSecurityContext" . | fromYaml -}}
{{- $capabilities := $security.capabilities | default dict -}}
{{- if not (hasKey $capabilities "drop") -}}
{{- $_ := set $capabilities "drop" $default.capabilities.drop -}}
{{- end -}}
{{- $_ := set $security "capabilities" $capabilities -}}
{{- if not (hasKey $security "readOnlyRootFilesystem") -}}
{{- $_ := set $security "readOnlyRootFilesystem" $default.readOnlyRootFilesystem -}}
{{- end -}}
{{- if not (or (include "ml-model.isPrivileged" .) (hasKey $security "allowPrivilegeEscalation")) -}}
{{- $_ := set $security "allowPrivilegeEscalation" $default.allowPrivilegeEscalation -}}
{{- end -}}
{{- toJson $security -}}
{{- end -}}

{{/*
What Pod Security "restricted" refuses of a container, as a JSON list of key, expected and found:
include "ml-model.unrestricted" (dict "container" c "isMapped" b), with users that are others on the node or not.
https://kubernetes.io/docs/concepts/security/pod-security-standards/
*/}}
{{- define "ml-model.unrestricted" -}}
{{- $security := include "ml-model.securityOf" .container | fromJson -}}
{{- $faults := list -}}
{{- range $key := list "privileged" "allowPrivilegeEscalation" -}}
{{- if get $security $key -}}
{{- $faults = append $faults (list $key "false" "true") -}}
{{- end -}}
{{- end -}}
{{- if not .isMapped -}}
{{- if eq "false" (toString $security.runAsNonRoot) -}}
{{- $faults = append $faults (list "runAsNonRoot" "true" "false") -}}
{{- end -}}
{{- if eq "0" (toString $security.runAsUser) -}}
{{- $faults = append $faults (list "runAsUser" "1 or more" "0") -}}
{{- end -}}
{{- end -}}
{{- if not (has "ALL" $security.capabilities.drop) -}}
{{- $faults = append $faults (list "capabilities.drop" "ALL" (join ", " $security.capabilities.drop | default "none")) -}}
{{- end -}}
{{- range $security.capabilities.add -}}
{{- if ne . "NET_BIND_SERVICE" -}}
{{- $faults = append $faults (list "capabilities.add" "at most NET_BIND_SERVICE" .) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "appArmorProfile" "seccompProfile" -}}
{{- if eq "Unconfined" ((get $security $key | default dict).type | default "") -}}
{{- $faults = append $faults (list (printf "%s.type" $key) "RuntimeDefault or Localhost" "Unconfined") -}}
{{- end -}}
{{- end -}}
{{- if ne "Default" ($security.procMount | default "Default") -}}
{{- $faults = append $faults (list "procMount" "Default" $security.procMount) -}}
{{- end -}}
{{- with $security.seLinuxOptions -}}
{{- range $key := list "user" "role" -}}
{{- with get $security.seLinuxOptions $key -}}
{{- $faults = append $faults (list (printf "seLinuxOptions.%s" $key) "none" .) -}}
{{- end -}}
{{- end -}}
{{- if not (has (.type | default "") (list "" "container_t" "container_init_t" "container_kvm_t" "container_engine_t")) -}}
{{- $faults = append $faults (list "seLinuxOptions.type" "one of containers" .type) -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end -}}

{{/* Probes and handlers of a container by their key, as JSON. */}}
{{- define "ml-model.handlers" -}}
{{- $found := dict -}}
{{- range $key, $probe := pick . "startupProbe" "readinessProbe" "livenessProbe" -}}
{{- $_ := set $found $key $probe -}}
{{- end -}}
{{- range $when, $handler := .lifecycle -}}
{{- $_ := set $found (printf "lifecycle.%s" $when) $handler -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/*
Refuse volumes that Pod Security "restricted" does not have, or Kubernetes: include "ml-model.requireVolumes" (dict "root" $
"volumes" v "key" k)
*/}}
{{- define "ml-model.requireVolumes" -}}
{{- $key := .key -}}
{{- $isFree := .root.Values.security.allowPrivilegedExtensions -}}
{{- range $name, $volume := .volumes -}}
{{- range $source, $_ := pick $volume.source "hostPath" "nfs" -}}
{{- if not $isFree -}}
{{- fail (printf "ERROR: Pod Security restricted refuses the volume %s: expected a source other than hostPath and nfs, such as persistentVolumeClaim, found %s; set %s.%s.source, or set security.allowPrivilegedExtensions where the namespace is not restricted" $name $source $key $name) -}}
{{- end -}}
{{- end -}}
{{- with $volume.source.projected -}}
{{- $paths := dict -}}
{{- range .sources -}}
{{- range $source := . -}}
{{- range $file := $source.items | default (list $source) -}}
{{- with $file.path -}}
{{- if hasKey $paths . -}}
{{- fail (printf "ERROR: the volume %s has two files of one path: expected a path of its own for each, found %s; set %s.%s.source.projected.sources" $name . $key $name) -}}
{{- end -}}
{{- $_ := set $paths . "" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
