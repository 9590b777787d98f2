# 500 limited steps at once, each in a place of its own; and the same places again.
. "$(dirname "$0")/lib.sh"
need pids memory
count=500
[ -z "${ORCH_GUEST:-}" ] || count=12 # a guest starts 30 processes in a second

{
    echo "name: many"
    echo "defaults: {resources: {memory: 64MiB, pids: 16}}"
    echo "steps:"
    for i in $(seq $count); do
        echo "  s$i: {run: 'cat /proc/self/cgroup > c$i; echo > at$i; while [ ! -e go ]; do sleep 1; done', resources: {reserve: {cpu: 1m, memory: 1MiB}}}"
    done
} >many.yaml
orchctl run many.yaml -j 2 -q >many.txt 2>&1 &
eventually 120 sh -c "test \"\$(ls at* | wc -l)\" = $count"
touch go
wait $!; is "$?" 0
is "$(sort -u c1 | wc -l)" "$(sort c1 | wc -l)"
# Each was in a cgroup of its own.
key=$(grep -o '[^:]*/orchd\.[0-9.]*/[0-9]*$' c1 | head -n 1)
check test -n "$key"
is "$(cat c* | grep -o '/orchd\.[0-9.]*/[0-9]*$' | sort -u | wc -l)" $count
no_new_places
finish
