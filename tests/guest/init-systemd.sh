#!/bin/bash
# The service of the systemd guest: waits until the boot is over, runs the script. The unit switches the guest off.
# shellcheck source=common.sh
. /mnt/job/common.sh
prepare_job "$(sed -nE 's/.*\<orch_job=([^ ]+).*/\1/p' /proc/cmdline)"
systemctl is-system-running --wait >/dev/null
run_job systemd
