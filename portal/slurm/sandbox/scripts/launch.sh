#!/bin/sh
# Starts a sandbox in namespaces of its own. It writes down who it is before it makes anything, and stays the same
# process through exec, so that whoever comes later can find and end it, whatever happened to the caller.
# usage: launch.sh STATE LOWER OPTION (see enter.sh)
set -eu
state=$1 lower=$2 option=$3
here=$(dirname "$(readlink -f "$0")")
read -r stat </proc/self/stat
read -r boot </proc/sys/kernel/random/boot_id
set -- $stat
echo "$1 ${22} $boot" >"$state/launcher.new"
mv "$state/launcher.new" "$state/launcher"
exec unshare --mount --pid --net --uts --ipc --fork --kill-child sh "$here/enter.sh" "$state" "$lower" "$option"
