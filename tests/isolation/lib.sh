# lib.sh - sourced by the tests of isolation, which run on any host: cgroups v1 and hybrid, and v2 in a guest. What a host
# cannot hold is asked of `orch-step probe`, and skipped by name; what it says that it holds must hold.
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/../functional/lib.sh"
PYTHON=/usr/bin/python3

# What the host says, once: fact -> "yes" or why not.
facts=$(orch-step probe)
holds() { printf '%s\n' "$facts" | grep -q "^$1	yes	"; }
why_not() { printf '%s\n' "$facts" | sed -n "s/^$1	no	[^	]*	//p"; }
# need FACT...: all of this test needs them
need() {
    local fact
    for fact in "$@"; do
        holds "$fact" || skip "$fact does not hold on this host: $(why_not "$fact")"
    done
}
# when FACT: false, and told, where it does not hold
when() {
    holds "$1" && return 0
    echo "left out: $1 does not hold on this host: $(why_not "$1")"
    return 1
}

# Places that were made since this test began, and are there a moment after.
every_place() { find /sys/fs/cgroup -type d -path '*/orchd.*/*' ! -name launcher 2>/dev/null | sort; }
places_before=$(every_place)
new_places() { every_place | grep -vxF "${places_before:-none}"; }
no_new_places() {
    eventually 10 sh -c "test -z \"\$(find /sys/fs/cgroup -type d -path '*/orchd.*/*' ! -name launcher 2>/dev/null | grep -vxF '${places_before:-none}')\"" || new_places
}
# Processes of ours that are alive: all of a test carry its data folder in their environment.
alive() {
    local dir count=0
    for dir in /proc/[0-9]*; do
        { tr '\0' '\n' <"$dir/environ" | grep -q "^$1"; } 2>/dev/null && count=$((count + 1))
    done
    echo $count
}
