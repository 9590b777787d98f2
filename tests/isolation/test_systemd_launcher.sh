# The package's launcher under systemd: a step goes on over restarts of its engine, an upgrade, a reload, a restart and a
# crash of the launcher, and is picked up with its exit code and its whole log. And who is not root: a launcher of its own
# in a scope of its own, or the package's, where it is allowed.
# shellcheck shell=bash disable=SC2317  # functions are called by run and check
. "$(dirname "$0")/../functional/lib.sh"
[ "${ORCH_GUEST:-}" = systemd ] || skip "needs the systemd guest (tests/guest/run.sh systemd)"
deb=$(find "$ORCH_BUILD" -maxdepth 1 -name 'orchd_*.deb' | sort | tail -n 1)
[ -n "$deb" ] || skip "needs the package: run cpack -G DEB in $ORCH_BUILD"

SOCKET=/run/orchd/launcher.sock
TICKS=40
launcher() { systemctl show -p MainPID --value orch-launch; }
is_active() { [ "$(systemctl is-active "$1")" = active ]; }
ticks() { grep -c ' o tick ' "$ORCH_HOME"/runs/*/long@1/log; }
goes_on() { # a tick that is later than now
    local before
    before=$(ticks)
    eventually 20 sh -c "[ \$(grep -c ' o tick ' '$ORCH_HOME'/runs/*/long@1/log) -gt $before ]" || bad "the step stands still"
}

# ---- the package
run 0 dpkg -i "$deb"
check eventually 20 is_active orch-launch
check test -S $SOCKET
is "$(stat -c %a $SOCKET)" 600

# ---- a service that drives a run stands in for the daemon: stopped, it is gone without a word; started again, it resumes
mkdir -p "$ORCH_HOME"
cat >p.yaml <<YAML
name: p
steps:
  long:
    run: |
      cat /proc/self/cgroup
      for i in \$(seq $TICKS); do echo tick \$i; sleep 1; done
      exit 0
    resources: {memory: 64MiB, pids: 64}
  after:
    needs: long
    run: echo ran after
YAML
cat >engine.sh <<SH
#!/bin/sh
export ORCH_HOME=$ORCH_HOME ORCH_LAUNCHER=$SOCKET
if [ -d $ORCH_HOME/runs ]; then exec $BIN/orchctl resume last; fi
exec $BIN/orchctl run $work/p.yaml
SH
chmod 755 engine.sh
run 0 systemd-run --quiet --unit=engine -p KillSignal=SIGKILL -p RemainAfterExit=yes "$work/engine.sh"
check eventually 60 sh -c "grep -q ' o tick 1\$' $ORCH_HOME/runs/*/long@1/log"
has "/orch.slice/run-" "$(grep -h 'orchd\.' "$ORCH_HOME"/runs/*/long@1/log)"
step_scope=$(sed -nE 's/.* o 0::(.*\.scope)\/.*/\1/p' "$ORCH_HOME"/runs/*/long@1/log)

# ---- the engine is restarted
run 0 systemctl restart engine
goes_on

# ---- an upgrade of the package: the same process goes on as the new program
before=$(launcher)
dpkg-deb -R "$deb" next
sed -i 's/^Version: .*/&+next/' next/DEBIAN/control
dpkg-deb -b next next.deb >/dev/null
run 0 dpkg -i next.deb
eventually 20 sh -c "! readlink /proc/$before/exe | grep -q deleted" || bad "the launcher is the old program: $(readlink "/proc/$before/exe")"
is "$(launcher)" "$before"
check is_active orch-launch
goes_on

# ---- a reload, and the engine again
run 0 systemctl reload orch-launch
run 0 systemctl restart engine
is "$(launcher)" "$before"
goes_on

# ---- a restart, and a crash: another launcher, in a scope of its own; the step stays where it is
run 0 systemctl restart orch-launch
check is_active orch-launch
check test "$(launcher)" != "$before"
check test -d "/sys/fs/cgroup$step_scope"
goes_on
before=$(launcher)
kill -9 "$before"
eventually 20 sh -c "[ \"\$(systemctl is-active orch-launch)\" = active ]"
check eventually 20 test -S $SOCKET
goes_on
run 0 systemctl daemon-reload
check is_active orch-launch
lacks "not upgraded" "$(journalctl -u orch-launch --no-pager)"

# ---- its end, as if nothing had happened; the next step is launched by the launcher that is there now
eventually 120 sh -c "[ \"\$(systemctl show -p SubState --value engine)\" != running ]" || bad "the run does not end"
is "$(systemctl show -p ExecMainStatus --value engine)" 0
run 0 orchctl show last --json
is "$(json .status)" succeeded
is "$(json '[.steps[] | select(.name == "long") | .attempts[] | .exit_code] | join(",")')" 0
run 0 orchctl logs last long
is "$(printf '%s\n' "$out" | grep -c '^tick ')" $TICKS
run 0 orchctl logs last after
has "ran after"
eventually 20 sh -c "[ ! -d '/sys/fs/cgroup$step_scope' ]" || bad "the scope of an ended step stays: $step_scope"

# ---- who is not root: a launcher of its own, in a scope of its own
mkdir -m 777 /tmp/line
cat >/tmp/line/q.yaml <<YAML
name: q
steps:
  a:
    run: |
      id -u
      cat /proc/self/cgroup
      cat /sys/fs/cgroup\$(sed s/^0::// /proc/self/cgroup)/memory.max
    resources: {memory: 64MiB}
YAML
as_line() { runuser -u line -- env XDG_RUNTIME_DIR=/run/user/1000 ORCH_HOME="/tmp/line/$1" "${@:2}"; }
run 0 as_line own "$BIN/orchctl" run /tmp/line/q.yaml
run 0 as_line own "$BIN/orchctl" logs last a
has "1000"
has "user@1000.service/app.slice/run-"
has "67108864"

# ---- and the package's: not before it is allowed
run 4 as_line shared env ORCH_LAUNCHER=$SOCKET "$BIN/orchctl" run /tmp/line/q.yaml
mkdir -p /etc/systemd/system/orch-launch.service.d
{
    echo '[Service]'
    echo 'ExecStart='
    sed -n '/^ExecStart=/,/[^\\]$/p' /lib/systemd/system/orch-launch.service | sed '$s/$/ --allow line/'
} >/etc/systemd/system/orch-launch.service.d/allow.conf
run 0 systemctl daemon-reload
run 0 systemctl restart orch-launch
run 0 as_line shared env ORCH_LAUNCHER=$SOCKET "$BIN/orchctl" run /tmp/line/q.yaml
run 0 as_line shared "$BIN/orchctl" logs last a
has "1000"
has "/orch.slice/run-"
has "67108864"

# ---- removal
run 0 dpkg -r orchd
check test "$(systemctl is-active orch-launch)" != active
finish
