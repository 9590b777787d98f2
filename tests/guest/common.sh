# What both guests do around the script: sourced in the guest by init-*.sh.
# shellcheck shell=bash

# prepare_job JOB: mounts what the script needs below /mnt. JOB is the folder of this boot on the host.
prepare_job() {
    local job=$1 name
    mkdir -p /mnt/job /mnt/source /mnt/build /mnt/script /mnt/disk /mnt/data
    chmod 1777 /mnt/data
    mountpoint -q /mnt/job || mount -t hostfs -o "$job" none /mnt/job
    for name in source build script; do
        mount -t hostfs -o "ro,$job/$name" none "/mnt/$name"
    done
    mount -t ext4 /dev/ubdb /mnt/disk
    chmod 1777 /mnt/disk
}

# run_job FLAVOUR: runs the script, its output to the first serial line, its exit code into the job's folder.
run_job() {
    local code cat own
    own=/sys/fs/cgroup$(sed s/^0::// /proc/self/cgroup)
    if [ -f "$own/cgroup.type" ]; then # not the root: the script gets the cgroup of the service for itself alone
        mkdir "$own/guest"
        echo $$ >"$own/guest/cgroup.procs"
    fi
    export ORCH_GUEST=$1 ORCH_GUEST_DISK=/mnt/disk ORCH_SOURCE=/mnt/source ORCH_BUILD=/mnt/build ORCH_BIN=/mnt/build/bin
    export TMPDIR=/mnt/data LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    export HOME=/mnt/data/home
    mkdir -p "$HOME"
    cd /mnt/data || return

    exec 8<>/dev/ttyS0
    stty -opost -echo <&8
    mkfifo /mnt/output
    cat /mnt/output >&8 8>&- &
    cat=$!
    (
        exec 8>&-
        echo "$BASHPID" >"$own/cgroup.procs"
        exec bash /mnt/job/job.sh
    ) </dev/null >/mnt/output 2>&1
    code=$?
    # A process that the script left behind may hold the pipe: it is not waited for.
    timeout 3 tail --pid="$cat" -s 0.1 -f /dev/null
    exec 8>&-
    echo "$code" >/mnt/job/code
    sync
}
