{{/* Volumes of StatefulSets. Arguments of all: root, component, name (of the StatefulSet), storage (of the component). */}}

{{/* What counts for a component: its own over `storage`. JSON. */}}
{{- define "holdfast.storage" -}}
{{- $all := deepCopy .root.Values.storage -}}
{{- mergeOverwrite $all (deepCopy (.storage | default dict)) | toJson -}}
{{- end -}}

{{- define "holdfast.claim" -}}
{{- $storage := include "holdfast.storage" . | fromJson -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: data
  labels: {{- include "holdfast.selector" . | nindent 4 }}
spec:
  accessModes: [ReadWriteOnce]
  {{- if ne $storage.kind "storageClass" }}
  storageClassName: ""
  {{- else if $storage.className }}
  storageClassName: {{ $storage.className }}
  {{- end }}
  resources: {requests: {storage: {{ $storage.size }}}}
{{- end -}}

{{/* A PersistentVolume for each ordinal, on NFS or on the node; it stays whatever happens to the release. More arguments: replicas. */}}
{{- define "holdfast.volumes" -}}
{{- $storage := include "holdfast.storage" . | fromJson -}}
{{- $root := .root -}}
{{- if ne $storage.kind "storageClass" }}
{{- range $i := until (int .replicas) }}
{{- $folder := printf "%s-%d" $.name $i }}
---
apiVersion: v1
kind: PersistentVolume
metadata:
  name: {{ printf "%s-%s" $root.Release.Namespace $folder }}
  labels: {{- include "holdfast.labels" $ | nindent 4 }}
  annotations: {helm.sh/resource-policy: keep}
spec:
  capacity: {storage: {{ $storage.size }}}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: ""
  claimRef: {apiVersion: v1, kind: PersistentVolumeClaim, namespace: {{ $root.Release.Namespace }}, name: data-{{ $folder }}}
  {{- if eq $storage.kind "nfs" }}
  mountOptions: {{ toJson $storage.nfs.mountOptions }}
  nfs:
    server: {{ required "storage.nfs.server is needed with storage.kind nfs." $storage.nfs.server }}
    path: {{ required "storage.nfs.path is needed with storage.kind nfs." $storage.nfs.path | trimSuffix "/" }}/{{ $folder }}
  {{- else }}
  hostPath:
    path: {{ required "storage.hostPath.path is needed with storage.kind hostPath." $storage.hostPath.path | trimSuffix "/" }}/{{ $folder }}
    type: Directory
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}
