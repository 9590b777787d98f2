# What is around a step: user, network, mounts, process limits, system calls. As root, and as somebody else.
. "$(dirname "$0")/lib.sh"

# ---- by default: no new privileges, a filter; nothing that a script does is in the way
cat >plain.yaml <<'Y'
name: plain
steps:
  a: {run: 'grep -E "^(NoNewPrivs|Seccomp):" /proc/self/status; umask; ulimit -n; echo "oom $(cat /proc/self/oom_score_adj)"'}
  b: {run: 'grep -E "^(NoNewPrivs|Seccomp):" /proc/self/status', sandbox: {privileged: true}}
  c: {run: 'umask; ulimit -c; ulimit -n', sandbox: {umask: "0027", core: 0, open_files: 77}}
Y
run 0 orchctl run plain.yaml
run 0 orchctl logs last a; has "NoNewPrivs:	1"; has "oom 500"
when seccomp && has "Seccomp:	2"
run 0 orchctl logs last b; has "NoNewPrivs:	0"; has "Seccomp:	0"
run 0 orchctl logs last c; is "$out" "0027
0
77"

if when network; then
    cat >net.yaml <<Y
name: net
steps:
  a: {network: none, run: 'cat /proc/net/dev | tail -n +3 | cut -d: -f1; $PYTHON -c "import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); s.listen(); c = socket.create_connection(s.getsockname()); print(\"loopback works\")"'}
Y
    run 0 orchctl run net.yaml
    run 0 orchctl logs last
    is "$(printf '%s\n' "$out" | grep -vc -E 'lo$|sit0|tunl0|ip6tnl0|gre|erspan|ip_vti|ip6_vti|loopback')" 0
    has "loopback works"
fi

if when private_tmp; then
    echo outer >"/tmp/orch-outer.$$"
    cat >tmp.yaml <<Y
name: tmp
steps:
  a: {sandbox: {private_tmp: true}, run: 'ls -A /tmp | grep -v "^orch-test" > seen || true; echo inner > /tmp/orch-inner.$$; test ! -e /tmp/orch-outer.$$; echo x > "\$ORCH_OUT/o"', outputs: {o: {path: o}}}
  b: {needs: a, run: 'cat \${{ steps.a.outputs.o }}'}
Y
    sed -i 's/\\\$/$/g' tmp.yaml
    run 0 orchctl run tmp.yaml
    check test ! -e "/tmp/orch-inner.$$"
    rm -f "/tmp/orch-outer.$$"
fi

if when hidden && when read_only; then
    mkdir -p secret ro/deep; echo s >secret/s; echo r >ro/deep/r; ln -s "$work/secret" link
    cat >paths.yaml <<Y
name: paths
steps:
  h: {sandbox: {hidden: [$work/link, $work/none]}, run: 'test ! -e secret/s; ls -A secret 2>&1 | grep -v -i denied || true; touch here'}
  r: {sandbox: {read_only: [$work/ro]}, run: 'cat ro/deep/r; if touch ro/deep/new 2>/dev/null; then exit 9; fi; touch here2'}
Y
    run 0 orchctl run paths.yaml
    check test -e here2
    check test ! -e ro/deep/new
fi

if when writable; then
    mkdir -p allowed denied
    cat >write.yaml <<Y
name: write
steps:
  w: {sandbox: {writable: [$work/allowed]}, run: 'touch allowed/x; if touch denied/x 2>/dev/null; then exit 9; fi; echo v=1 >> "\$ORCH_OUTPUT"; echo a > "\$ORCH_ARTIFACTS/a"; echo > /dev/null'}
Y
    sed -i 's/\\\$/$/g' write.yaml
    run 0 orchctl run write.yaml
    run 0 orchctl show last --json; is "$(json '.steps[0].outputs.v')" 1
    check test -e allowed/x
    check test ! -e denied/x
fi

# ---- another user, who cannot touch what was recorded
if when user; then
    chmod 755 "$work"
    cat >user.yaml <<'Y'
name: user
steps:
  root:  {run: 'id -u; echo r > "$ORCH_OUT/o"', outputs: {o: {path: o}}}
  other: {needs: root, user: nobody, run: 'id -un; cat ${{ steps.root.outputs.o }}; echo "f1 0.5" >> "$ORCH_METRICS"; echo v=2 >> "$ORCH_OUTPUT"; echo n > "$ORCH_OUT/n"; mkdir "$ORCH_OUT/d"; echo in > "$ORCH_OUT/d/f"; echo $HOME $USER; cat /etc/shadow 2>/dev/null && exit 9; true', outputs: {n: {path: n}, d: {path: d}}}
  third: {needs: other, user: daemon, run: 'cat ${{ steps.other.outputs.n }} ${{ steps.other.outputs.d }}/f; if echo x > ${{ steps.other.outputs.n }} 2>/dev/null; then exit 9; fi'}
Y
    run 0 orchctl run user.yaml
    run 0 orchctl logs last other; has nobody; has "r"
    run 0 orchctl show last --json
    is "$(json '.steps[1].metrics.f1')" 0.5
    is "$(find "$ORCH_HOME/runs" -path '*other@1/out/*' -user nobody | wc -l)" 0
    check [ "$(stat -c %a "$ORCH_HOME/orch.db")" = 600 ] || stat "$ORCH_HOME/orch.db"
    run 3 orchctl validate /dev/stdin <<'Y'
name: bad
steps: {a: {run: x, user: "no such:user:here"}}
Y
    cat >nobody.yaml <<'Y'
name: unknown
steps: {a: {run: 'echo ran >> ran', user: nosuchuser-4711}}
Y
    orchctl run nobody.yaml >unknown.txt 2>&1 && bad "an unknown user"
    has nosuchuser-4711 "$(cat unknown.txt)"
    check test ! -e ran
fi

# ---- somebody without privileges asks for nothing and needs nothing
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    mkdir -p mine && chown 65534 mine && chmod 755 "$work"
    cat >mine/p.yaml <<'Y'
name: mine
steps: {a: {run: 'id -u; echo v=1 >> "$ORCH_OUTPUT"'}, b: {needs: a, run: 'echo ${{ steps.a.outputs.v }}'}}
Y
    run 0 env -C mine -u ORCH_HOME setpriv --reuid 65534 --regid 65534 --clear-groups "$BIN/orchctl" run p.yaml
    has succeeded
fi
finish
