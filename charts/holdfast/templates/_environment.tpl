{{/* What the processes are told: settings that are no secrets, the same for all; and credentials, each its own. */}}

{{/* Settings without secrets, as JSON; first of all it is seen whether the values can be. Argument: the root. */}}
{{- define "holdfast.settings" -}}
{{- include "holdfast.check" . -}}
{{- $v := .Values -}}
{{- $all := dict
  "HOLDFAST_DATABASE_POOL" (toString $v.database.pool)
  "HOLDFAST_OBJECTS" "s3"
  "HOLDFAST_S3_ENDPOINT" (include "holdfast.s3.endpoint" .)
  "HOLDFAST_S3_BUCKET" $v.s3.bucket
  "HOLDFAST_S3_PREFIX" $v.s3.prefix
  "HOLDFAST_S3_REGION" $v.s3.region
  "HOLDFAST_S3_PUBLIC_ENDPOINT" (include "holdfast.s3.publicEndpoint" .)
  "HOLDFAST_PUBLIC_URL" (include "holdfast.publicUrl" .)
  "HOLDFAST_VERSIONS" $v.versions
  "HOLDFAST_REGISTRATION" $v.registration
  "HOLDFAST_GRACE_SECONDS" (toString $v.functions.graceSeconds)
  "HOLDFAST_SCHEDULER" "false"
  "HOLDFAST_PURGE_SECONDS" "0"
  "HOLDFAST_POLICY_MIN_UNDO_DAYS" (toString $v.operator.floors.minUndoDays)
  "HOLDFAST_POLICY_MAX_PERCENT" (toString $v.operator.floors.maxPercent)
  "HOLDFAST_POLICY_MIN_AFTER_DAYS" (toString $v.operator.floors.minAfterDays)
-}}
{{- if $v.seaweedfs.enabled -}}
{{- $full := include "holdfast.fullname" . -}}
{{- $_ := set $all "HOLDFAST_COMPACTION" "seaweedfs" -}}
{{- $_ := set $all "HOLDFAST_SEAWEEDFS_MASTER" (printf "http://%s-seaweedfs-master-http:9333" $full) -}}
{{- $_ := set $all "HOLDFAST_SEAWEEDFS_FILER" (printf "http://%s-seaweedfs-filer:8888" $full) -}}
{{- if $v.seaweedfs.backup.enabled -}}
{{- $_ := set $all "HOLDFAST_BACKUP_DAYS" (toString $v.seaweedfs.backup.retentionDays) -}}
{{- end -}}
{{- end -}}
{{- if eq $v.versions "lakefs" -}}
{{- $_ := set $all "HOLDFAST_LAKEFS_ENDPOINT" (include "holdfast.lakefs.endpoint" .) -}}
{{- $_ := set $all "HOLDFAST_LAKEFS_REPOSITORY" $v.lakefs.repository -}}
{{- end -}}
{{- with include "holdfast.qdrant.url" . -}}
{{- $_ := set $all "HOLDFAST_QDRANT_URL" . -}}
{{- end -}}
{{- if $v.clamav.enabled -}}
{{- $_ := set $all "HOLDFAST_SCAN" "clamd" -}}
{{- $_ := set $all "HOLDFAST_CLAMD" ($v.clamav.external.address | default (printf "%s-clamav:3310" (include "holdfast.fullname" .))) -}}
{{- $_ := set $all "HOLDFAST_SCAN_MAX_BYTES" (toString (int64 $v.clamav.maxBytes)) -}}
{{- $_ := set $all "HOLDFAST_SCAN_TIMEOUT_SECONDS" (toString $v.clamav.timeoutSeconds) -}}
{{- $_ := set $all "HOLDFAST_SCAN_QUARANTINE" (toString $v.clamav.quarantine) -}}
{{- $_ := set $all "HOLDFAST_SCAN_DELETE" (toString $v.clamav.deleteInfected) -}}
{{- end -}}
{{- range $name, $value := $v.settings -}}
{{- $_ := set $all $name (toString $value) -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}

{{/* The database's user of a role, and the key of his password. Arguments: root, role. */}}
{{- define "holdfast.databaseUser" -}}
{{- if .root.Values.database.roles }}{{ .root.Values.database.userPrefix }}_{{ .role }}{{ else }}{{ include "holdfast.mysql.owner" .root }}{{ end -}}
{{- end -}}
{{- define "holdfast.databaseKey" -}}
database-{{ ternary .role "owner" .root.Values.database.roles }}-password
{{- end -}}

{{/* Which key of the Secret each secret setting is, as JSON. Arguments: root, role (of the database, or "none"), s3 (role there; empty: none),
     lakefs, qdrant, token, audit (booleans). */}}
{{- define "holdfast.secretKeys" -}}
{{- $all := dict -}}
{{- if ne .role "none" -}}
{{- $_ := set $all "HOLDFAST_DATABASE_PASSWORD" (include "holdfast.databaseKey" .) -}}
{{- end -}}
{{- if .s3 -}}
{{- $_ := set $all "HOLDFAST_S3_ACCESS_KEY" (printf "s3-%s-access-key" .s3) -}}
{{- $_ := set $all "HOLDFAST_S3_SECRET_KEY" (printf "s3-%s-secret-key" .s3) -}}
{{- end -}}
{{- if and .lakefs (eq .root.Values.versions "lakefs") -}}
{{- $_ := set $all "HOLDFAST_LAKEFS_ACCESS_KEY" "lakefs-access-key" -}}
{{- $_ := set $all "HOLDFAST_LAKEFS_SECRET_KEY" "lakefs-secret-key" -}}
{{- end -}}
{{- if and .qdrant (include "holdfast.qdrant.url" .root) -}}
{{- $_ := set $all "HOLDFAST_QDRANT_API_KEY" "qdrant-api-key" -}}
{{- end -}}
{{- if .token -}}
{{- $_ := set $all "HOLDFAST_TOKEN_SECRET" "token-secret" -}}
{{- $_ := set $all "HOLDFAST_LINK_SECRET" "link-secret" -}}
{{- end -}}
{{- if .audit -}}
{{- $_ := set $all "HOLDFAST_AUDIT_PRIVATE_KEY" "audit-private-key" -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}

{{/* A container's env and envFrom. Arguments: as of holdfast.secretKeys, and data (where generated files would go; /tmp). */}}
{{- define "holdfast.environment" -}}
envFrom:
  - configMapRef: {name: {{ include "holdfast.fullname" .root }}-settings}
env:
  - {name: HOLDFAST_DATA, value: /tmp}
  {{- if ne .role "none" }}
  - {name: HOLDFAST_DATABASE_URL, value: {{ include "holdfast.databaseUrl" (dict "root" .root "user" (include "holdfast.databaseUser" .)) | quote }}}
  {{- end }}
  {{- $secret := include "holdfast.secret" .root }}
  {{- range $name, $key := include "holdfast.secretKeys" . | fromJson }}
  - name: {{ $name }}
    valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $key }}}}
  {{- end }}
{{- end -}}
