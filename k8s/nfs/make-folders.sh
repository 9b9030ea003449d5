#!/bin/sh
# Makes the folders of the volumes on an NFS server, for those PersistentVolumes that the chart would make there. It deletes nothing and
# changes nothing that is there: a folder that has something in it is left as it is, its owner too.
#
#   helm template holdfast charts/holdfast --namespace holdfast --values my.yaml | sh k8s/nfs/make-folders.sh /export/holdfast
set -eu
[ $# = 1 ] && [ -d "$1" ] || { echo "usage: helm template … | make-folders.sh EXPORTED_FOLDER" >&2; exit 2; }
export_=${1%/}

made=0
# The last part of each NFS or node path is the folder's name; it says by whom it is used.
for name in $(sed -n 's|^ *path: .*/\([a-z0-9][-a-z0-9]*-[0-9][0-9]*\)$|\1|p' | sort -u); do
    case $name in
        *-mysql-*) owner=999 ;;
        *-lakefs-*|*-clamav-*) owner=65532 ;;
        *) owner=1000 ;;
    esac
    folder=$export_/$name
    if [ ! -d "$folder" ]; then
        mkdir "$folder"
    elif [ -n "$(ls -A "$folder")" ]; then
        echo "$folder has something in it: left as it is"
        continue
    fi
    chown "$owner:$owner" "$folder"
    chmod 0750 "$folder"
    echo "$folder for user $owner"
    made=$((made + 1))
done
echo "$made folders are ready"
