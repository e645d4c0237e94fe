#!/bin/sh
# The part of python.sh that runs inside the new file system.
# What cannot be built because Slurm has moved on is no failure: the reason goes to
# /opt/portal/pyslurm-reason, and what the compiler said to /opt/portal/pyslurm.log.
set -eu
build=/run/build
place=/opt/portal
slurm=$(dpkg-query -W -f '${Version}' slurmctld)
slurm="Slurm ${slurm%-*}"
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

echo "fetching pyslurm and what builds it"
mkdir -p "$place"
python3 -m venv "$place/venv"
python3 -m venv "$build/tools"
"$build/tools/bin/pip" install 'setuptools>=59.2' wheel 'Cython>=3.1' packaging >&2
"$build/tools/bin/pip" download --no-deps --no-build-isolation --no-binary :all: --dest "$build/source" \
    -r "$build/requirements-slurm.txt" >&2

pyslurm=$(basename "$build"/source/*.tar.gz .tar.gz | tr - ' ')

# pyslurm's set-up reads the version out of slurm_version.h as text and accepts only its own; the compiler has to
# see the true one. Hence a copy with one more line that the compiler skips.
mkdir -p "$build/include/slurm" "$build/wheel"
ln -s /usr/include/slurm/* "$build/include/slurm/"
rm "$build/include/slurm/slurm_version.h"
{
    cat /usr/include/slurm/slurm_version.h
    printf '#if 0\n#define SLURM_VERSION_NUMBER 0x190b00\n#endif\n'
} >"$build/include/slurm/slurm_version.h"

echo "building pyslurm and installing the portal's requirements"
(
    # Unoptimised: compiling takes half the time, and pyslurm spends its own in libslurm and the network.
    SLURM_INCLUDE_DIR=$build/include SLURM_LIB_DIR=/usr/lib/x86_64-linux-gnu PYSLURM_BUILD_JOBS=$(nproc) \
        CFLAGS="-O0 -g0 -include $build/slurm_26_05.h" \
        "$build/tools/bin/pip" wheel --no-deps --no-build-isolation --wheel-dir "$build/wheel" \
        "$build"/source/*.tar.gz >"$build/pyslurm.log" 2>&1 || true
) &
"$place/venv/bin/pip" install -r "$build/requirements.txt" >&2
wait
cat "$build/pyslurm.log" >&2
cp "$build/pyslurm.log" "$place/pyslurm.log"

if ! ls "$build"/wheel/*.whl >/dev/null 2>&1; then
    echo "$pyslurm does not build against $slurm." >"$place/pyslurm-reason"
elif ! "$place/venv/bin/pip" install --no-deps --no-index "$build"/wheel/*.whl >&2; then
    echo "$pyslurm was built against $slurm but cannot be installed." >"$place/pyslurm-reason"
else
    # Importing reads slurm.conf and ends the process when there is none.
    printf 'ClusterName=build\nSlurmctldHost=localhost\nNodeName=n1\nPartitionName=p Nodes=n1\n' >"$build/slurm.conf"
    SLURM_CONF=$build/slurm.conf timeout 60 "$place/venv/bin/python" -c \
        'import pyslurm; print(pyslurm.__version__)' >"$place/pyslurm-version" ||
        echo "$pyslurm was built against $slurm but cannot be imported." >"$place/pyslurm-reason"
fi
