{{/*
The identities of the S3 gateway, as JSON for `weed s3 -config`: each may do what its process needs, and nothing else. What is not
allowed is refused, so only a right that another one brings along is denied.

  {{ include "holdfast.seaweedfs.identities" (dict "bucket" "holdfast" "prefix" "" "keys" $keys) }}

bucket  the bucket of Holdfast
prefix  HOLDFAST_S3_PREFIX, if there is one
keys    by identity `accessKey` and `secretKey`. An identity without keys is left out.

  read     functions that only read: downloads and links
  write    functions that store. They replace and delete nothing but the object that their readiness writes under check/
  sweep    a policy's run, its preview included: reads what it hashes
  worker   erases what uploads that were given up have left, reads what it hashes, and finishes uploads whose request died. It sees
           whether the store works as writers do
  purge    erases what is destroyed. It stores nothing
  lakefs   lakeFS: its own files under lakefs/, and reading what is linked. It deletes nothing
  bucket   makes the bucket, at the installation. It neither reads nor writes what is in it

That a writer replaces no object is up to him: the gateway has no condition on If-None-Match, with which Holdfast sends each write.
Neither the filer's backup, nor compaction, nor fsync go through the gateway, so they have no identity.
*/}}
{{- define "holdfast.seaweedfs.identities" -}}
{{- $bucket := printf "arn:aws:s3:::%s" .bucket -}}
{{- $root := printf "%s/" $bucket -}}
{{- with .prefix }}{{ $root = printf "%s%s/" $root (trimAll "/" .) }}{{ end -}}
{{- $data := printf "%sdata/*" $root -}}
{{- $check := printf "%scheck/*" $root -}}
{{- $lakefs := printf "%slakefs/*" $root -}}
{{- $look := dict "Effect" "Allow" "Resource" (list $bucket) "Action" (list "s3:ListBucket" "s3:GetBucketVersioning" "s3:GetBucketObjectLockConfiguration") -}}
{{- $unfinished := dict "Effect" "Allow" "Resource" (list $bucket) "Action" (list "s3:ListBucketMultipartUploads") -}}
{{- $erase := list
      (dict "Effect" "Allow" "Resource" (list $data) "Action" (list "s3:GetObject" "s3:DeleteObject" "s3:AbortMultipartUpload"))
      $unfinished $look -}}
{{- /* A copy is a PutObject that names another object: with it what is there could be replaced by something else that is there. */ -}}
{{- $copy := dict "Effect" "Deny" "Resource" (list (printf "%s*" $root)) "Action" (list "s3:PutObject" "s3:UploadPart" "s3:UploadPartCopy")
      "Condition" (dict "StringLike" (dict "s3:x-amz-copy-source" "*")) -}}
{{- $policies := dict
      "read" (list (dict "Effect" "Allow" "Resource" (list $data $check) "Action" (list "s3:GetObject")) $look)
      "write" (list
        (dict "Effect" "Allow" "Resource" (list $data $check) "Action" (list "s3:GetObject" "s3:PutObject" "s3:AbortMultipartUpload"))
        (dict "Effect" "Allow" "Resource" (list $check) "Action" (list "s3:DeleteObject"))
        $copy $look)
      "sweep" (list (dict "Effect" "Allow" "Resource" (list $data) "Action" (list "s3:GetObject")) $look)
      "worker" (concat $erase (list
        (dict "Effect" "Allow" "Resource" (list $data) "Action" (list "s3:PutObject"))
        (dict "Effect" "Allow" "Resource" (list $check) "Action" (list "s3:GetObject" "s3:PutObject" "s3:DeleteObject"))
        $copy))
      "purge" $erase
      "lakefs" (list
        (dict "Effect" "Allow" "Resource" (list $lakefs) "Action" (list "s3:GetObject" "s3:PutObject" "s3:AbortMultipartUpload"))
        (dict "Effect" "Allow" "Resource" (list $data) "Action" (list "s3:GetObject"))
        $look)
      "bucket" (list (dict "Effect" "Allow" "Resource" (list $bucket) "Action" (list "s3:CreateBucket" "s3:ListBucket")))
-}}
{{- $identities := list -}}
{{- $documents := list -}}
{{- range $name, $key := .keys -}}
{{- if not (hasKey $policies $name) }}{{ fail (printf "seaweedfs: there is no identity %q" $name) }}{{ end -}}
{{- $credentials := list (dict "accessKey" $key.accessKey "secretKey" $key.secretKey) -}}
{{- $identities = append $identities (dict "name" $name "credentials" $credentials "policyNames" (list $name)) -}}
{{- $document := dict "Version" "2012-10-17" "Statement" (get $policies $name) -}}
{{- $documents = append $documents (dict "name" $name "content" (toJson $document)) -}}
{{- end -}}
{{- toPrettyJson (dict "identities" $identities "policies" $documents) -}}
{{- end -}}
