#!/usr/bin/env bash
# Makes the disk of the systemd guest (Debian 12, ext4) and prints its path; once made, it only prints it. It lies in
# build/guest, or in $ORCH_GUEST_IMAGES, and its name changes with this script, so no stale one is taken.
# 77 where it cannot be made here, with the reason on stdout.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

SUITE=bookworm
# systemd with what a user's manager needs, the libraries of our programs, what the tests call.
PACKAGES=(systemd systemd-sysv dbus libpam-systemd dbus-user-session
    libuv1 libyaml-0-2 libsqlite3-0 libjansson4 libssl3 libsmartcols1 libcurl4 libpq5 libcgroup2 libseccomp2
    procps python3-minimal jq)
# Nothing of these is tested, and each costs time at every boot.
MASKED=(getty.target getty@.service console-getty.service serial-getty@.service systemd-networkd.service
    systemd-networkd.socket systemd-resolved.service systemd-timesyncd.service systemd-hwdb-update.service
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-random-seed.service
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-machine-id-commit.service
    systemd-modules-load.service modprobe@.service systemd-pstore.service systemd-journal-flush.service
    systemd-journal-catalog-update.service systemd-update-done.service systemd-firstboot.service
    systemd-remount-fs.service systemd-sysusers.service systemd-boot-system-token.service ldconfig.service
    e2scrub_reap.service e2scrub_all.timer fstrim.timer apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
    motd-news.timer systemd-tmpfiles-clean.timer dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount
    sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount)

none() {
    echo "$*"
    exit 77
}

# The mirror that apt takes packages from; nothing where it cannot be told: then debootstrap has its own default.
mirror() {
    # shellcheck disable=SC2016  # these are apt's variables
    apt-get indextargets --format '$(CODENAME) $(ORIGIN) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk -v suite="$SUITE" '$1 == suite && $2 == "Debian" && $3 == "main" && $4 ~ /^(https?|ftp|file):/ { print $4; exit }'
}

# configure_root FOLDER: who logs in, what starts
configure_root() {
    local root=$1 unit
    echo guest >"$root/etc/hostname"
    printf '127.0.0.1 localhost guest\n::1 localhost\n' >"$root/etc/hosts"
    : >"$root/etc/fstab"
    md5sum <<<guest | cut -c 1-32 >"$root/etc/machine-id" # without one it is a first boot, which is slow
    chroot "$root" useradd --create-home --uid 1000 --user-group --shell /bin/bash line
    mkdir -p "$root/var/lib/systemd/linger"
    : >"$root/var/lib/systemd/linger/line"
    for unit in "${MASKED[@]}"; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    cat >"$root/etc/systemd/system/guest-script.service" <<'UNIT'
[Unit]
Description=The script that this guest was started for
After=systemd-user-sessions.service systemd-logind.service dbus.service
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate

[Service]
Type=exec
Delegate=yes
ExecStartPre=/bin/bash -c 'mkdir -p /mnt/job && mount -t hostfs -o "$$(sed -nE "s/.*orch_job=([^ ]+).*/\\1/p" /proc/cmdline)" none /mnt/job'
ExecStart=/bin/bash /mnt/job/init-systemd.sh
StandardInput=null
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console

[Install]
WantedBy=multi-user.target
UNIT
    ln -sf ../guest-script.service "$root/etc/systemd/system/multi-user.target.wants/guest-script.service"
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info}/*
}

make_image() { # FILE
    local work=$1.work server proxy='' size
    rm -rf "$work" "$1"
    mkdir -p "$work"
    server=$(mirror || true)
    if [ -z "${http_proxy:-}" ]; then
        eval "$(apt-config shell proxy Acquire::http::Proxy 2>/dev/null)"
        [ -z "$proxy" ] || export http_proxy=$proxy
    fi
    debootstrap --variant=minbase --include="$(IFS=,; echo "${PACKAGES[*]}")" "$SUITE" "$work" ${server:+"$server"} \
        >"$1.log" 2>&1 || {
        tail -n 20 "$1.log" >&2
        echo "debootstrap failed; its log is $1.log, details in $work/debootstrap/debootstrap.log" >&2
        return 1
    }
    configure_root "$work"
    size=$(($(du -sm "$work" | cut -f 1) + 300))
    mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d "$work" "$1" "${size}M" >/dev/null
    rm -rf "$work"
}

folder=${ORCH_GUEST_IMAGES:-$ROOT/build/guest}
key=$(sha256sum <"${BASH_SOURCE[0]}" | cut -c 1-16)
image=$folder/$SUITE-$key.ext4
if [ ! -f "$image" ]; then
    PATH=$PATH:/usr/sbin:/sbin
    command -v debootstrap >/dev/null || none "Debian's package debootstrap is not installed"
    command -v mke2fs >/dev/null || none "Debian's package e2fsprogs is not installed"
    [ "$(id -u)" -eq 0 ] || none "the systemd image is not made yet, and making it needs root: tests/guest/make-image.sh"
    mkdir -p "$folder"
    exec 9>"$folder/lock"
    flock 9 # another run may be making it
    if [ ! -f "$image" ]; then
        make_image "$image.new" 9>&-
        mv "$image.new" "$image"
    fi
fi
echo "$image"
