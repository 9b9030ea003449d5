{{/* Labels of an object for the Prometheus operator. Arguments: the root. */}}
{{- define "holdfast.monitoring.labels" -}}
{{- include "holdfast.labels" (dict "root" . "component" "monitoring") }}
{{- with .Values.monitoring.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What every endpoint of a monitor has. Arguments: the root. */}}
{{- define "holdfast.monitoring.endpoint" -}}
path: /metrics
interval: {{ .Values.monitoring.serviceMonitors.interval }}
scrapeTimeout: {{ .Values.monitoring.serviceMonitors.scrapeTimeout }}
{{- end -}}

{{/*
"yes" where the parts are deployed that a rule is about. Arguments: root, and when, as the rule's annotation has it: paths of values with
commas between them, each of which has to be true, or equal to what follows `=`.
*/}}
{{- define "holdfast.monitoring.when" -}}
{{- $met := true -}}
{{- range splitList "," .when -}}
{{- $parts := splitList "=" . -}}
{{- $value := $.root.Values -}}
{{- range splitList "." (first $parts) -}}
{{- $value = index $value . -}}
{{- end -}}
{{- if eq (len $parts) 1 -}}
{{- $met = and $met $value -}}
{{- else -}}
{{- $met = and $met (eq (toString $value) (last $parts)) -}}
{{- end -}}
{{- end -}}
{{- if $met }}yes{{ end -}}
{{- end -}}
