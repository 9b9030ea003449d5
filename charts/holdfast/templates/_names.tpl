{{/* What objects are called, and what they are labelled with. */}}

{{- define "holdfast.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels by which pods are found; they never change. Arguments: root, component. */}}
{{- define "holdfast.selector" -}}
app.kubernetes.io/name: holdfast
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* All labels of an object. Arguments: root, component. */}}
{{- define "holdfast.labels" -}}
{{ include "holdfast.selector" . }}
app.kubernetes.io/part-of: holdfast
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* An image of ours. Arguments: root, name. */}}
{{- define "holdfast.image" -}}
{{- with .root.Values.image -}}
{{- $tag := .tag | default $.root.Chart.AppVersion -}}
{{- if .registry }}{{ trimSuffix "/" .registry }}/{{ end }}{{ .repository }}/{{ $.name }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{/* The Secret of the credentials. */}}
{{- define "holdfast.secret" -}}
{{- .Values.existingSecret | default (printf "%s-credentials" (include "holdfast.fullname" .)) -}}
{{- end -}}

{{/* The functions of functions.yaml, as JSON: {"functions": […]}. */}}
{{- define "holdfast.functions" -}}
{{- dict "functions" (.Files.Get "functions.yaml" | fromYamlArray) | toJson -}}
{{- end -}}
