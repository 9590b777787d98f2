#!/bin/bash
# The first and only service of the plain guest: mounts, the script, off. Its root is the host's, read-only.
# `orch_job`, an argument of the kernel, names the folder of this boot; an init gets such arguments as environment.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

off() {
    sync
    echo o >/proc/sysrq-trigger
    sleep 10
}
trap off EXIT

mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sys /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
ln -sf pts/ptmx /dev/ptmx
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
[ -e /dev/stdin ] || ln -s fd/0 /dev/stdin
[ -e /dev/stdout ] || ln -s fd/1 /dev/stdout
[ -e /dev/stderr ] || ln -s fd/2 /dev/stderr
mount -t tmpfs -o mode=755 mnt /mnt
# shellcheck source=common.sh
. "${orch_job:?}/common.sh"
prepare_job "$orch_job"
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=1777 tmp /var/tmp
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=755 run /run

mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
read -ra controllers </sys/fs/cgroup/cgroup.controllers
for name in "${controllers[@]}"; do
    echo "+$name" >/sys/fs/cgroup/cgroup.subtree_control
done

hostname guest
# The loopback interface, up and running; what has `ip` is no part of a minimal system.
perl -e 'use Socket; socket(my $s, AF_INET, SOCK_DGRAM, 0); my $up = pack("Z16 s x22", "lo", 0x41); ioctl($s, 0x8914, $up) or die "lo: $!\n"'

unset orch_job
run_job plain
