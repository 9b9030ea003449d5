{{/* Where things are reached. Argument: the root. */}}

{{- define "holdfast.mysql.host" -}}
{{- if .Values.mysql.enabled -}}
{{- include "holdfast.fullname" . }}-mysql
{{- else -}}
{{- required "mysql.external.host is needed where mysql.enabled is false." .Values.mysql.external.host -}}
{{- end -}}
{{- end -}}

{{- define "holdfast.mysql.port" -}}
{{- if .Values.mysql.enabled }}3306{{ else }}{{ .Values.mysql.external.port }}{{ end -}}
{{- end -}}

{{- define "holdfast.mysql.owner" -}}
{{- if .Values.mysql.enabled }}root{{ else }}{{ .Values.mysql.external.user }}{{ end -}}
{{- end -}}

{{/* The database's URL without a password. Arguments: root, user. */}}
{{- define "holdfast.databaseUrl" -}}
mysql+pymysql://{{ .user }}@{{ include "holdfast.mysql.host" .root }}:{{ include "holdfast.mysql.port" .root }}/{{ .root.Values.database.name }}
{{- end -}}

{{- define "holdfast.s3.endpoint" -}}
{{- if .Values.seaweedfs.enabled -}}
http://{{ include "holdfast.fullname" . }}-seaweedfs-s3:8333
{{- else -}}
{{- required "s3.external.endpoint is needed where seaweedfs.enabled is false." .Values.s3.external.endpoint -}}
{{- end -}}
{{- end -}}

{{/* Scheme and host that clients use; empty where neither publicUrl nor host says. */}}
{{- define "holdfast.publicUrl" -}}
{{- if .Values.ingress.publicUrl -}}
{{- trimSuffix "/" .Values.ingress.publicUrl -}}
{{- else if .Values.ingress.host -}}
{{- printf "%s://%s" (ternary "https" "http" .Values.ingress.tls.enabled) .Values.ingress.host -}}
{{- end -}}
{{- end -}}

{{- define "holdfast.s3.publicEndpoint" -}}
{{- if not .Values.seaweedfs.enabled -}}
{{- .Values.s3.external.publicEndpoint -}}
{{- else if eq .Values.ingress.s3.by "host" -}}
{{- printf "%s://%s" (ternary "https" "http" .Values.ingress.tls.enabled) (required "ingress.s3.host is needed with ingress.s3.by host." .Values.ingress.s3.host) -}}
{{- else -}}
{{- include "holdfast.publicUrl" . -}}
{{- end -}}
{{- end -}}

{{/* The masters, always in the same order, each as it calls itself. */}}
{{- define "holdfast.seaweedfs.masters" -}}
{{- $name := printf "%s-seaweedfs-master" (include "holdfast.fullname" .) -}}
{{- $all := list -}}
{{- range $i := until (int .Values.seaweedfs.master.replicas) -}}
{{- $all = append $all (printf "%s-%d.%s.%s.svc:9333" $name $i $name $.Release.Namespace) -}}
{{- end -}}
{{- join "," $all -}}
{{- end -}}

{{/* The filers, each as it calls itself. */}}
{{- define "holdfast.seaweedfs.filers" -}}
{{- $name := printf "%s-seaweedfs-filer" (include "holdfast.fullname" .) -}}
{{- $all := list -}}
{{- range $i := until (int .Values.seaweedfs.filer.replicas) -}}
{{- $all = append $all (printf "%s-%d.%s-peers.%s.svc:8888" $name $i $name $.Release.Namespace) -}}
{{- end -}}
{{- join "," $all -}}
{{- end -}}

{{- define "holdfast.lakefs.endpoint" -}}
{{- if .Values.lakefs.enabled -}}
http://{{ include "holdfast.fullname" . }}-lakefs:8000
{{- else -}}
{{- required "lakefs.external.endpoint is needed where versions is lakefs and lakefs.enabled is false." .Values.lakefs.external.endpoint -}}
{{- end -}}
{{- end -}}

{{/* Empty where there is none. */}}
{{- define "holdfast.qdrant.url" -}}
{{- if .Values.qdrant.enabled -}}
http://{{ include "holdfast.fullname" . }}-qdrant:6333
{{- else -}}
{{- .Values.qdrant.external.url -}}
{{- end -}}
{{- end -}}
