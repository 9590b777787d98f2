# Bad surroundings: a clear error and exit code, nothing half-written, nothing recorded lost.
. "$(dirname "$0")/lib.sh"

cat >ok.yaml <<'Y'
name: ok
steps: {a: {run: echo fine}}
Y

# ---- commands that do not exist, or may not be run
cat >spawn.yaml <<'Y'
name: spawn
steps:
  list: {run: [no-such-command, x]}
  path: {run: [/nonexistent/tool]}
  text: {run: [./plain.txt]}
  shell: {run: no-such-command x}
  dir: {workdir: nowhere, run: echo}
Y
echo x >plain.txt
run 1 orchctl run spawn.yaml
has "no-such-command"; has "/nonexistent/tool"; has "nowhere"
run 0 orchctl show last --json
is "$(json '.steps[:3]|map(.reason)|join(",")')" spawn,spawn,spawn
is "$(json '.steps[3]|"\(.reason) \(.attempts[0].exit_code)"')" "exit 127"
is "$(json '.steps[4].reason')" spawn

# ---- not a database, a newer database, a damaged one
run 0 orchctl run ok.yaml -q
cp -r "$ORCH_HOME" saved
restore() { chmod -R u+w "$ORCH_HOME"; rm -rf "$ORCH_HOME"; cp -r saved "$ORCH_HOME"; }
rm -f "$ORCH_HOME"/orch.db*; echo "this is no database, just text that is long enough" >"$ORCH_HOME/orch.db"
for verb in "run ok.yaml" runs "show last"; do
    orchctl $verb >o 2>e; code=$?
    check test $code -ne 0; has "orch.db" "$(cat e)"
done
is "$(head -c 7 "$ORCH_HOME/orch.db")" "this is"
run 1 orchctl doctor; has "fail  database"
restore
/usr/bin/python3 - "$ORCH_HOME/orch.db" <<'PY'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("insert into migrations values (999, 'later', 'x', '9.9.9', 0)")
c.commit()
PY
run 4 orchctl run ok.yaml; has "9.9.9" "$err"; has "999" "$err"
run 4 orchctl runs;        has "9.9.9 or newer" "$err"
run 4 orchctl runs --json; is "$(json .error.code)" newer
restore
/usr/bin/python3 - "$ORCH_HOME/orch.db" <<'PY'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("update journal set at = at + 1 where seq = 2")
c.commit()
PY
run 1 orchctl doctor; has "fail  database"; has "2"
restore
run 0 orchctl doctor

# ---- its list of migrations is gone: every verb says so
/usr/bin/python3 - "$ORCH_HOME/orch.db" <<'PY'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("delete from migrations")
c.commit()
PY
orchctl run ok.yaml >o 2>e; code=$?; check test $code = 70; has "list of migrations is empty" "$(cat e)"
run $code orchctl runs; has "list of migrations is empty" "$err"
run 1 orchctl doctor;   has "list of migrations is empty"; has "fail  database"
restore

# ---- output that cannot be written: what succeeded says so
run 70 sh -c 'orchctl run ok.yaml >/dev/full';        has "could not write to standard output" "$err"
run 70 sh -c 'orchctl run ok.yaml --json >/dev/full'; has "could not write to standard output" "$err"
run 70 sh -c 'orchctl runs >/dev/full';               has "could not write to standard output" "$err"
run 0 sh -c 'orchctl run ok.yaml -q >/dev/full'
run 0 bash -c 'set -o pipefail; orchctl run ok.yaml | true'; is "$err" ""

# ---- the data folder cannot be made, or written
touch file
orchctl run ok.yaml --data file/below >o 2>e; check test $? -ne 0; has "file" "$(cat e)"
if [ "$(id -u)" = 0 ]; then
    # The project may lie where only root may look: nobody gets programs of their own.
    as="setpriv --reuid=65534 --regid=65534 --clear-groups env PATH=$work/bin:/usr/bin:/bin"
    chmod 755 "$work"
    mkdir bin && cp "$BIN/orchctl" "$BIN/orch-step" bin/ && chmod 755 bin bin/*
else
    as=
fi
run 4 orchctl run ok.yaml --storage sqlite:no/such/folder.db; has "no/such/folder.db" "$err"
run 4 env ORCH_STEP=/nonexistent orchctl run ok.yaml; has "/nonexistent" "$err"
run 4 env ORCH_STEP=/tmp orchctl run ok.yaml; has "ORCH_STEP" "$err"
mkdir ro && chmod 555 ro
run 5 $as env ORCH_HOME="$work/ro/home" orchctl run ok.yaml; has "$work/ro/home" "$err"
check test ! -e ro/home
cp -r saved ro2; chmod -R a+rX ro2; chmod 555 ro2
run 5 $as env ORCH_HOME="$work/ro2" orchctl run ok.yaml; has "ro2" "$err"
run 0 orchctl runs --data ro2 --json; is "$(json length)" 2
# Not to be entered is not the same as empty.
cp -r saved closed; chmod 700 closed
if [ -n "$as" ]; then
    run 5 $as orchctl runs --data "$work/closed"; has "$work/closed" "$err"
    run 5 $as orchctl show last --data "$work/closed" --json; is "$(json .error.code)" denied
fi

# ---- a full disk: nothing recorded is lost, the run can be resumed when there is room
small() {
    mkdir -p "$work/small"
    mount -t tmpfs -o size=3m,mode=0777 tmpfs "$work/small" 2>/dev/null
}
if [ "$(id -u)" = 0 ] && small; then
    trap 'umount -l "$work/small" 2>/dev/null; cleanup' EXIT
    export ORCH_HOME=$work/small/home
    run 0 orchctl run ok.yaml -q
    cat >fill.yaml <<'Y'
name: fill
steps:
  a: {run: 'dd if=/dev/zero of="$ORCH_HOME_DISK/ballast" bs=64k 2>/dev/null; echo filled', pass_env: [ORCH_HOME_DISK]}
  b: {needs: a, run: 'echo big > "$ORCH_OUT/x"; head -c 2000000 /dev/zero > "$ORCH_OUT/x" || exit 9', outputs: {x: {path: x}}}
Y
    ORCH_HOME_DISK=$work/small orchctl run fill.yaml >o 2>e; code=$?
    check test $code = 70 -o $code = 1
    check test -s e -o -s o
    rm -f "$work/small/ballast"
    run 0 orchctl runs --json; is "$(json length)" 2
    if [ "$(json '.[0].status')" = running ]; then
        orchctl resume last >o 2>e
    fi
    run 0 orchctl show last --json; check test "$(json .status)" != running
    run 1 orchctl doctor; has "fail  disk space"; has "ok    database"
    dd if=/dev/zero of="$work/small/ballast" bs=4k 2>/dev/null
    orchctl run ok.yaml >o 2>e; check test $? = 70; has "space" "$(cat e)"
    run 0 orchctl runs; has "ok#1"
    run 0 orchctl show last
    run 0 orchctl logs last
    run 1 orchctl doctor; has "fail  disk space"; lacks "backup"
    rm -f "$work/small/ballast"
    run 0 orchctl run ok.yaml -q
fi
finish
