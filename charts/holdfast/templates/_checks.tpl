{{/* Fails the render with a sentence where values contradict one another, or cannot be, and neither the schema nor Kubernetes would say so
     in time. */}}
{{- define "holdfast.check" -}}
{{- $v := .Values -}}
{{- if and $v.mysql.enabled $v.mysql.external.host -}}
{{- fail "mysql.external.host is said, and mysql.enabled is true: say mysql.enabled false, or no host." -}}
{{- end -}}
{{- if and $v.seaweedfs.enabled $v.s3.external.endpoint -}}
{{- fail "s3.external.endpoint is said, and seaweedfs.enabled is true: say seaweedfs.enabled false, or no endpoint." -}}
{{- end -}}
{{- if and $v.lakefs.enabled $v.lakefs.external.endpoint -}}
{{- fail "lakefs.external.endpoint is said, and lakefs.enabled is true: say lakefs.enabled false, or no endpoint." -}}
{{- end -}}
{{- if and $v.qdrant.enabled $v.qdrant.external.url -}}
{{- fail "qdrant.external.url is said, and qdrant.enabled is true: say qdrant.enabled false, or no address." -}}
{{- end -}}
{{- if and $v.clamav.external.address (not $v.clamav.enabled) -}}
{{- fail "clamav.external.address is said, and clamav.enabled is false: nothing would be scanned." -}}
{{- end -}}
{{- range $path, $host := dict "ingress.host" $v.ingress.host "ingress.s3.host" $v.ingress.s3.host -}}
{{- if regexMatch "[^-.a-z0-9]" $host -}}
{{- fail (printf "%s is the name of a host, not %q: no scheme, port or path, and in small letters." $path $host) -}}
{{- end -}}
{{- end -}}
{{- if and $v.ingress.host (eq $v.ingress.s3.by "host") (eq $v.ingress.host $v.ingress.s3.host) -}}
{{- fail (printf "ingress.s3.host is another one than ingress.host, not %q, too: else the S3 gateway gets what functions do not." $v.ingress.host) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]$" $v.s3.bucket) -}}
{{- fail (printf "s3.bucket is 3 to 63 small letters, digits, dots and dashes, not %q." $v.s3.bucket) -}}
{{- end -}}
{{- if and $v.operator.enabled $v.operator.approval (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "operator.approval needs Kubernetes 1.30, and this is %s: say operator.approval false, and whoever may change a policy approves its plans." .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- range $name := $v.monitoring.rules.disabled -}}
{{- if not ($.Files.Get (printf "rules/%s.yaml" $name)) -}}
{{- fail (printf "monitoring.rules.disabled names %s, and there is no such alert in rules/." $name) -}}
{{- end -}}
{{- end -}}
{{- include "holdfast.check.functions" . -}}
{{- include "holdfast.check.storage" . -}}
{{- end -}}

{{/* What is said of single functions is of functions that there are, and of nothing else than of all functions. */}}
{{- define "holdfast.check.functions" -}}
{{- $names := list -}}
{{- range (include "holdfast.functions" . | fromJson).functions -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- range $name, $own := .Values.functions.overrides -}}
{{- if not (has $name $names) -}}
{{- fail (printf "functions.overrides names %s, and there is no such function: %s." $name (join ", " $names)) -}}
{{- end -}}
{{- if not (kindIs "map" $own) -}}
{{- fail (printf "functions.overrides.%s holds values as functions does: {replicas: 4}." $name) -}}
{{- end -}}
{{- range $value, $_ := $own -}}
{{- if not (hasKey (omit $.Values.functions "overrides") $value) -}}
{{- fail (printf "functions.overrides.%s.%s is none of the values of functions: %s." $name $value (keys (omit $.Values.functions "overrides") | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a component says of its storage are values of `storage`, with a kind that there is. */}}
{{- define "holdfast.check.storage" -}}
{{- $v := .Values -}}
{{- $all := dict "mysql" $v.mysql.storage "lakefs" $v.lakefs.storage "qdrant" $v.qdrant.storage "clamav" $v.clamav.storage -}}
{{- range $role := list "master" "volume" "admin" "backup" -}}
{{- $_ := set $all (printf "seaweedfs.%s" $role) (get $v.seaweedfs $role).storage -}}
{{- end -}}
{{- range $v.seaweedfs.volume.racks -}}
{{- $_ := set $all (printf "seaweedfs.volume.racks (%s)" .name) .storage -}}
{{- end -}}
{{- range $whose, $storage := $all -}}
{{- range $value, $said := $storage -}}
{{- if not (hasKey $v.storage $value) -}}
{{- fail (printf "%s: storage.%s is none of the values of storage: %s." $whose $value (keys $v.storage | sortAlpha | join ", ")) -}}
{{- end -}}
{{- if and (eq $value "kind") (not (has $said (list "storageClass" "nfs" "hostPath"))) -}}
{{- fail (printf "%s: storage.kind is storageClass, nfs or hostPath, not %q." $whose $said) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
