{{/* What every pod and container of ours has: the restricted Pod Security Standard, and no token of the API server. */}}

{{/* Arguments: root, user (65532 where none is given). */}}
{{- define "holdfast.podSecurity" -}}
{{- $user := .user | default 65532 -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $user }}
  runAsGroup: {{ $user }}
  fsGroup: {{ $user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "holdfast.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where pods go. Arguments: root, component, and at (nodeSelector, tolerations, priorityClassName; may be empty). */}}
{{- define "holdfast.placing" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "holdfast.selector" . | nindent 8 }}
{{- with .at }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A PodDisruptionBudget where there is more than one pod. Arguments: root, component, name, replicas. */}}
{{- define "holdfast.pdb" -}}
{{- if gt (int .replicas) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  labels: {{- include "holdfast.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "holdfast.selector" . | nindent 6 }}
{{- end }}
{{- end -}}

{{/* A ServiceAccount that may do nothing. Arguments: root, component, name. */}}
{{- define "holdfast.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  labels: {{- include "holdfast.labels" . | nindent 4 }}
automountServiceAccountToken: false
{{- end -}}

{{/* The name of a Job that is no hook: another spec is another Job, since Kubernetes lets nobody change the pods of one that is there. Its
     pods have the labels of the selector alone, so that a chart of another version leaves it as it is. Arguments: name, spec (as text). */}}
{{- define "holdfast.job" -}}
{{ .name }}-{{ .spec | sha256sum | trunc 8 }}
{{- end -}}
