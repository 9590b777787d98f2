# docs/pipeline.md and docs/diagnostics.md are what the tables print.
. "$(dirname "$0")/lib.sh"
docs=${ORCH_SOURCE:?}/docs
orchctl schema --keys >keys.md
orchctl schema --codes >codes.md
check diff -u "$docs/pipeline.md" keys.md
check diff -u "$docs/diagnostics.md" codes.md
finish
