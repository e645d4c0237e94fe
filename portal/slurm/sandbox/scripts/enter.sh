#!/bin/sh
# The first process of a sandbox: makes its file system, moves into it and becomes its init.
# No mount made here is ever seen outside, and all of them end with the process.
# usage: enter.sh STATE LOWER OPTION
#   OPTION  a further option for the overlay: volatile, or an empty word
set -eu
umask 022
state=$1 lower=$2 option=${3:+,$3}
root=$state/root
# This /proc is still the machine's own, so this is the process's number as seen from outside.
read -r stat </proc/self/stat
read -r boot </proc/sys/kernel/random/boot_id
set -- $stat
echo "$1 ${22} $boot" >"$state/init.new"
mv "$state/init.new" "$state/init"

mount --make-rprivate /
mount -t overlay sandbox -o "lowerdir=$lower,upperdir=$state/upper,workdir=$state/work$option" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
# Never the machine's own /dev: whatever is removed in here must not be its devices.
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
for device in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
    set -- $device
    mknod -m 666 "$root/dev/$1" c "$2" "$3"
done
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for stream in "0 stdin" "1 stdout" "2 stderr"; do
    set -- $stream
    ln -s "/proc/self/fd/$1" "$root/dev/$2"
done

tab=$(printf '\t')
while IFS=$tab read -r mode source target; do
    if [ -d "$source" ]; then
        mkdir -p "$root$target"
    else
        mkdir -p "$root$(dirname "$target")"
        [ -e "$root$target" ] || : >"$root$target"
    fi
    mount --bind "$source" "$root$target"
    [ "$mode" = rw ] || mount -o "remount,bind,ro" "$root$target"
done <"$state/binds"

mkdir -p "$root/.machine"
cd "$root"
pivot_root . .machine
umount -l /.machine
rmdir /.machine
exec chroot . /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
    HOME=/root SANDBOX_REPORT="$SANDBOX_REPORT" /usr/bin/python3 -I /usr/local/lib/sandbox/init.py
