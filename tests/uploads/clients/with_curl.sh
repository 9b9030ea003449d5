#!/bin/sh
# Uploads a file by tus with curl, and goes on where it was: with_curl.sh SERVER TOKEN PATH FILENAME STATE
# All that is left goes in one request.
set -u
server=$1 token=$2 path=$3 filename=$4 state=$5
size=$(wc -c < "$path")

ask() {
  curl --silent --max-time 3600 --noproxy '*' --header 'Tus-Resumable: 1.0.0' --header "Authorization: Bearer $token" "$@"
}

header() {
  tr -d '\r' | sed -n "s/^$1: //Ip"
}

until [ -s "$state" ]; do
  about="Upload-Metadata: filename $(printf %s "$filename" | base64 -w 0)"
  ask --include --request POST --header "Upload-Length: $size" --header "$about" "$server/uploads" | header location > "$state"
done
url=$(cat "$state")
while offset=$(ask --head "$url" | header upload-offset); [ "$offset" != "$size" ]; do
  if [ -z "$offset" ]; then
    sleep 0.1
    continue
  fi
  ask --output /dev/null --request PATCH --upload-file "$path" --continue-at "$offset" --header 'Content-Range:' --header 'Expect:' \
    --header "Upload-Offset: $offset" --header 'Content-Type: application/offset+octet-stream' "$url"
done
