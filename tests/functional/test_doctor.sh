# orchctl doctor: what orch-step says this host can hold, by groups; what does not hold is a warning with its reason.
. "$(dirname "$0")/lib.sh"

# An orch-step whose host is as a file says.
real=$(command -v orch-step)
cat >orch-step <<S
#!/bin/sh
[ "\$1" = probe ] || exec "$real" "\$@"
[ -e "$work/broken" ] && exit 3
cat "$work/facts"
S
chmod +x orch-step
export ORCH_STEP=$work/orch-step
facts() { printf '%b' "$1" >"$work/facts"; }
row() { printf '%s' "$out" | jq -r --arg n "$1" --arg s "$2" '.checks[] | select(.name == $n and .status == $s) | "\(.message) | \(.fix)"'; }

# ---- everything holds
facts 'cgroups\tyes\t0\tv2\t\ntree\tyes\t0\tcgroup v2: cgroup.kill\t\ncpu\tyes\t0\t\t\nmemory\tyes\t0\t\t\ncores\tyes\t8\t\t\ngpus\tyes\t2\t\t\nuser\tyes\t0\t\t\nlandlock\tyes\t3\t\t\n'
run 0 orchctl doctor --json
is "$(json .ok)" true
is "$(row cgroups ok)" "mode v2, tree (cgroup v2: cgroup.kill) | null"
is "$(row limits ok)" "enforced: cpu, memory | null"
is "$(row sandbox ok)" "can be had: user, landlock | null"
is "$(row pool ok)" "8 cores, 2 gpus | null"
is "$(json '[.checks[]|select(.status != "ok" and (.name|test("cgroups|limits|sandbox|pool|more")))]|length')" 0
is "$(json '[.checks[]|keys|sort|join(" ")]|unique|join(",")')" "fix message name status"

# ---- some do not: one line for each reason, and no failure
facts 'cgroups\tyes\t0\tv1\t\ncpu\tyes\t0\t\t\nio.read\tno\t0\tno disk\tadd one\nio.weight\tno\t0\tno bfq\t\nio.write\tno\t0\tno disk\tadd one\nuser\tno\t0\tnot root\trun it as root\nseccomp\tyes\t0\t\t\nnew.one\tno\t0\t\t\nother\tyes\t0\t\t\n'
run 0 orchctl doctor --json
is "$(json .ok)" true
is "$(row limits ok)" "enforced: cpu | null"
is "$(row limits warn)" "io.read, io.write: no disk | add one
io.weight: no bfq | null"
is "$(row sandbox ok)" "can be had: seccomp | null"
is "$(row sandbox warn)" "user: not root | run it as root"
is "$(row more ok)" "can be had: other | null"
is "$(row more warn)" "new.one: this host cannot do it | null"
run 0 orchctl doctor
has "warn  limits       io.read, io.write: no disk"; has "-> add one"; has "ok    cgroups      mode v1"
run 0 orchctl doctor -q; is "$out" ""

# ---- no cgroups at all
facts 'cgroups\tno\t0\tnone\t\ntree\tno\t0\tno cgroups here\tmount them\n'
run 0 orchctl doctor --json
is "$(row cgroups warn)" "mode none | null
tree: no cgroups here | mount them"

# ---- it says nothing, or nonsense
for text in '' 'hello\n' 'cpu\tyes\n' 'cpu\tmaybe\t0\t\t\n' 'cpu\tyes\tmany\t\t\n' '\tyes\t0\t\t\n' 'cpu\tyes\t0\t\t\tmore\n'; do
    facts "$text"
    run 0 orchctl doctor --json
    is "$(row limits warn)" "unknown: orch-step does not say what this host can hold | install both from the same version, or set ORCH_STEP"
done
facts 'cpu\tno\t0\t\033[31mred\033[0m\t\nhello\npids\tyes\t0\t\t'
run 0 orchctl doctor; lacks $'\033'; has "enforced: pids"
/usr/bin/python3 -c 'for i in range(100000): print("n%d\tyes\t0\t\t" % i)' >facts
run 0 orchctl doctor
touch broken
run 0 orchctl doctor; has "warn  limits"; has "unknown"

# ---- this host, whatever it is
unset ORCH_STEP
run 0 orchctl doctor; has "  limits "
finish
