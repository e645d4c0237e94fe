#!/bin/sh
# Builds the Python layer on top of a base layer: a virtual environment with the portal's requirements and,
# where Slurm's headers allow it, pyslurm. The layer is what appears below /opt/portal.
# Run in a mount and process namespace of its own (build.py). Standard output carries one line per step.
# usage: python.sh WORK BASE INPUTS [FOLDER...]
#   WORK    empty folder; WORK/upper/opt/portal is the result
#   INPUTS  folder with requirements.txt, requirements-slurm.txt and slurm_26_05.h
#   FOLDER  files and folders of this machine that pip needs (its settings, certificates, local packages):
#           seen at the same place during the build only, so nothing of them stays in the layer
set -eu
work=$1 base=$2 inputs=$3
shift 3
here=$(dirname "$(readlink -f "$0")")
root=$work/root
mkdir -p "$root" "$work/upper" "$work/work"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/upper,workdir=$work/work" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir "$root/run/build"
cp "$inputs"/* "$here/python-inside.sh" "$root/run/build/"
for source in /etc/resolv.conf /etc/hosts "$@"; do
    [ -e "$source" ] || continue
    if [ -d "$source" ]; then
        mkdir -p "$root$source"
    else
        mkdir -p "$root$(dirname "$source")"
        [ -e "$root$source" ] || : >"$root$source"
    fi
    mount --bind "$source" "$root$source"
done
exec chroot "$root" /bin/sh /run/build/python-inside.sh
