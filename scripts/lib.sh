# Shared by the scripts of this folder: sourced, not run.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # used by the scripts that source this file
JOBS=${ORCH_JOBS:-$(nproc)}

# What Debian 12 calls things, by what they are for.
# shellcheck disable=SC2034
BUILD_PACKAGES=(gcc libc6-dev cmake ninja-build pkg-config libuv1-dev libyaml-dev libsqlite3-dev libjansson-dev
    libssl-dev libseccomp-dev libcgroup-dev uthash-dev libsmartcols-dev)
# shellcheck disable=SC2034
EXAMPLE_PACKAGES=(python3 python3-pandas python3-sklearn)
# shellcheck disable=SC2034
TEST_PACKAGES=(libcmocka-dev clang clang-tidy clang-format libclang-rt-14-dev shellcheck sqlite3 jq strace procps
    util-linux git python3-jsonschema)
# shellcheck disable=SC2034
GUEST_PACKAGES=(user-mode-linux debootstrap debian-archive-keyring e2fsprogs util-linux perl-base dpkg-dev)
# shellcheck disable=SC2034
BENCH_PACKAGES=(make ninja-build python3)

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    BOLD=$'\e[1m' RED=$'\e[31m' PLAIN=$'\e[0m'
else
    BOLD='' RED='' PLAIN=''
fi

say() {
    printf '\n%s== %s%s\n' "$BOLD" "$*" "$PLAIN"
}

die() {
    printf '%s%s%s\n' "$RED" "$*" "$PLAIN" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env "$@"
    elif command -v sudo >/dev/null; then
        sudo env "$@"
    else
        die "This needs root for: $*
Run it as root once, or install sudo."
    fi
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need PACKAGE...: installs what is missing and nothing else; without anything missing it asks neither for root nor
# for the network.
need() {
    local missing=() package
    command -v dpkg-query >/dev/null || die "No dpkg here. Install what Debian calls: $*"
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return 0
    fi
    say "Installing ${missing[*]}"
    if [ -z "${APT_UPDATED:-}" ]; then
        as_root DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 update </dev/null
        APT_UPDATED=1
    fi
    as_root DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o Acquire::Retries=3 \
        -o Dpkg::Use-Pty=0 install "${missing[@]}" </dev/null >/dev/null
}

# The files of the project, NUL-separated: tracked ones, and new ones that are not ignored. [PATTERN...]
files() {
    git -C "$ROOT" -c safe.directory='*' ls-files -z --cached --others --exclude-standard --deduplicate -- "$@" |
        while IFS= read -r -d '' file; do
            if [ -f "$ROOT/$file" ]; then
                printf '%s\0' "$file"
            fi
        done
}

# configure FOLDER OPTION...: cmake into build/FOLDER
configure() {
    local folder=$1
    shift
    cmake -S "$ROOT" -B "$ROOT/build/$folder" -G Ninja "$@"
}
