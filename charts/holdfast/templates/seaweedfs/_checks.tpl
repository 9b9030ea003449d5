{{/* Fails the render with a sentence when the values cannot keep as many copies as they ask for. */}}
{{- define "holdfast.seaweedfs.check" -}}
{{- $v := .Values.seaweedfs -}}
{{- if not (regexMatch "^[0-2]{3}$" (toString $v.replication)) -}}
{{- fail (printf "seaweedfs.replication is three digits from 0 to 2, not %q: copies in other data centers, on other racks, on other servers of the same rack." (toString $v.replication)) -}}
{{- end -}}
{{- $racks := int (substr 1 2 (toString $v.replication)) -}}
{{- $same := int (substr 2 3 (toString $v.replication)) -}}
{{- if ne (substr 0 1 (toString $v.replication)) "0" -}}
{{- fail (printf "seaweedfs.replication %s asks for copies in other data centers, and this chart makes one." (toString $v.replication)) -}}
{{- end -}}
{{- $most := 0 -}}
{{- $used := 0 -}}
{{- $names := list -}}
{{- range $v.volume.racks -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" (toString .name)) -}}
{{- fail (printf "seaweedfs.volume.racks: a rack has a name of small letters, digits and dashes, not %q." (toString .name)) -}}
{{- end -}}
{{- if or (lt (int .servers) 0) (not (hasKey . "servers")) -}}
{{- fail (printf "seaweedfs.volume.racks: rack %s says how many servers it has, none or more." .name) -}}
{{- end -}}
{{- range $key, $_ := omit . "name" "servers" "storage" "nodeSelector" "tolerations" "priorityClassName" -}}
{{- fail (printf "seaweedfs.volume.racks: %s is nothing that a rack has: name, servers, storage, nodeSelector, tolerations, priorityClassName." $key) -}}
{{- end -}}
{{- $most = max $most (int .servers) -}}
{{- $names = append $names .name -}}
{{- $used = add $used (min 1 (int .servers)) -}}
{{- end -}}
{{- /* A StatefulSet's name and ten characters more become a label of its pods, of which there are 63 at most. */ -}}
{{- range $part := append $names "" -}}
{{- $longest := printf "%s-seaweedfs-%s" (include "holdfast.fullname" $) (ternary (printf "volume-%s" $part) "master" (ne $part "")) -}}
{{- if gt (len $longest) 52 -}}
{{- fail (printf "%s is too long a name for a StatefulSet, by %d characters: give the release, fullnameOverride or the rack a shorter one." $longest (sub (len $longest) 52)) -}}
{{- end -}}
{{- end -}}
{{- if lt (int $used) (add1 $racks | int) -}}
{{- fail (printf "seaweedfs.replication %s needs %d racks, and seaweedfs.volume.racks has %d." (toString $v.replication) (add1 $racks) (int $used)) -}}
{{- end -}}
{{- if lt (int $most) (add1 $same | int) -}}
{{- fail (printf "seaweedfs.replication %s needs a rack with %d servers, and the largest of seaweedfs.volume.racks has %d." (toString $v.replication) (add1 $same) (int $most)) -}}
{{- end -}}
{{- if ne (len $names) (len (uniq $names)) -}}
{{- fail "seaweedfs.volume.racks have names of their own: two racks of one name are one rack." -}}
{{- end -}}
{{- if not (has (int $v.master.replicas) (list 1 3 5)) -}}
{{- fail (printf "seaweedfs.master.replicas is 1, 3 or 5, not %d: they vote." (int $v.master.replicas)) -}}
{{- end -}}
{{- end -}}

{{/* A warning where copies on other racks are on the same NFS server, or nothing: they are lost together. */}}
{{- define "holdfast.seaweedfs.warning" -}}
{{- $v := .Values.seaweedfs -}}
{{- $racks := 0 -}}
{{- $servers := list -}}
{{- range $v.volume.racks -}}
{{- $own := mergeOverwrite (deepCopy $v.volume.storage) (deepCopy (.storage | default dict)) -}}
{{- $storage := include "holdfast.storage" (dict "root" $ "storage" $own) | fromJson -}}
{{- if eq $storage.kind "nfs" -}}
{{- $racks = add1 $racks -}}
{{- $servers = append $servers $storage.nfs.server | uniq -}}
{{- end -}}
{{- end -}}
{{- if and $v.enabled (ne (substr 1 2 (toString $v.replication)) "0") (lt (len $servers) (int $racks)) -}}
WARNING: {{ $racks }} racks of SeaweedFS share {{ len $servers }} NFS server{{ if gt (len $servers) 1 }}s{{ end }} ({{ join ", " $servers }}). Copies on racks of one server are lost with it: give each rack a server of its own in seaweedfs.volume.racks.
{{- end -}}
{{- end -}}

{{/* What the commands name: the pod, by name and address. A home that can be written to, which weed looks for. */}}
{{- define "holdfast.seaweedfs.environment" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- {name: HOME, value: /tmp}
{{- end -}}
