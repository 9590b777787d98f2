# Controllers missing one by one: what depends on one is refused by name, the rest holds as before.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root to take controllers away"
need cpu memory pids
unshare -m true 2>/dev/null || skip "no mount namespaces here"

# What AddressSanitizer says of stacks that it did not make is no finding.
plainly() { grep -vE 'ASan is ignoring requested|False positive error reports may|sanitizers/issues/189'; }

cat >one.sh <<'S'
# one.sh WITHOUT...: runs in a host where only that is missing
probe() { orch-step probe | grep -E "^$1	" | cut -f2; }
missing=$1
cat >step.yaml <<Y
name: one
steps: {a: {run: 'cat /proc/self/cgroup > /dev/null', resources: {KEY}}}
Y
for pair in "cpu=cpu: 1" "memory=memory: 64MiB" "pids=pids: 50"; do
    fact=${pair%%=*}
    sed "s/KEY/${pair#*=}/" step.yaml >"step-$fact.yaml"
    if [ "$fact" = "$missing" ]; then
        [ "$(probe "$fact")" = no ] || echo "WRONG: $fact is said to hold without its controller"
        orchctl run "step-$fact.yaml" >o.txt 2>&1 && echo "WRONG: ran with $fact although it is missing"
        grep -q "resources.$fact" o.txt || echo "WRONG: the error does not name resources.$fact: $(cat o.txt)"
        sed "s/resources/isolation: best-effort, resources/" "step-$fact.yaml" >best.yaml
        orchctl run best.yaml >o.txt 2>&1 || echo "WRONG: best-effort did not run: $(cat o.txt)"
    else
        orchctl run "step-$fact.yaml" >o.txt 2>&1 || echo "WRONG: $fact does not work without $missing: $(cat o.txt)"
    fi
done
S

if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    # v2: a namespace whose root was not given the controller.
    controllers() { cat /sys/fs/cgroup/cgroup.subtree_control; }
    before=$(controllers)
    for missing in cpu memory pids; do
        want=''
        for c in cpu memory pids; do [ $c = $missing ] || want="$want +$c"; done
        echo "+cpu +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
        mkdir -p /sys/fs/cgroup/missing/inner
        # shellcheck disable=SC2086
        echo "$want" >/sys/fs/cgroup/missing/cgroup.subtree_control
        got=$(sh -c "echo \$\$ > /sys/fs/cgroup/missing/inner/cgroup.procs && exec unshare -C -m sh -c '
            umount /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && sh one.sh $missing'" 2>&1 | plainly)
        is "$got" ""
        find /sys/fs/cgroup/missing -depth -type d -exec rmdir {} + 2>/dev/null
    done
    : "$before"
else
    for missing in cpu memory pids; do
        got=$(unshare -m sh -c "mount --make-rprivate / && umount -l \$(findmnt -rno TARGET,FS-OPTIONS -t cgroup | awk '\$2 ~ /(^|,)$missing(,|\$)/ { print \$1 }') && sh one.sh $missing" 2>&1 | plainly)
        is "$got" ""
    done
    # All of them read-only, as in a container: nothing holds, and nothing crashes.
    got=$(unshare -m sh -c "mount --make-rprivate / && for m in \$(findmnt -rno TARGET -t cgroup,cgroup2); do mount -o remount,bind,ro \$m; done; orch-step probe | grep -E '^(cpu|memory|pids)	' | cut -f2 | sort -u" 2>&1 | plainly)
    is "$got" no
fi
run 0 orch-step probe
finish
