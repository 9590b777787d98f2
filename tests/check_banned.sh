#!/usr/bin/env bash
# Calls that C has and we do not: each has a bounded or checked counterpart in base/ (text.h, buf.h, mem.h).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
cd "$ROOT"

banned='strcpy|stpcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atoll|atof|gets|alloca|setjmp|longjmp|sigsetjmp|siglongjmp|tmpnam|mktemp'
# Comment lines may name them: " * ..." and "// ...".
if files '*.c' '*.h' | xargs -0 grep -nEw "($banned)[[:space:]]*\(" | grep -vE '^[^:]+:[0-9]+:[[:space:]]*(\*|/\*|//)'; then
    echo "these calls are banned; use base/text.h, base/buf.h and base/mem.h" >&2
    exit 1
fi
echo "none of ${banned//|/, }"
