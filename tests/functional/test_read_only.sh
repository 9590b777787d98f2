# What a step has put out cannot be changed afterwards, neither by its old name nor by another one.
. "$(dirname "$0")/lib.sh"

if [ "$(id -u)" = 0 ]; then
    # Permissions do not apply to root, and the project may lie where only root may look.
    chmod 755 "$work"
    mkdir bin place && cp "$BIN/orchctl" "$BIN/orch-step" bin/ && chmod 755 bin bin/* && chown 65534 place
    as="setpriv --reuid=65534 --regid=65534 --clear-groups env PATH=$work/bin:/usr/bin:/bin"
else
    mkdir place
    as=
fi
cd place || exit 1
export ORCH_HOME=$work/place/home

cat >ro.yaml <<'Y'
name: ro
steps:
  a:
    run: |
      mkdir -p "$ORCH_OUT/folder/deep" && echo one >"$ORCH_OUT/folder/deep/x" && echo two >"$ORCH_OUT/folder/y"
      ln mine/data.csv "$ORCH_OUT/data.csv"
      ln mine/tool.sh "$ORCH_OUT/tool.sh"
      ln mine/data.csv "$ORCH_OUT/folder/data.csv"
      ln mine/kept.txt "$ORCH_ARTIFACTS/kept.txt"
      printf '#!/bin/sh\n' >"$ORCH_OUT/own.sh" && chmod 755 "$ORCH_OUT/own.sh"
    outputs: {folder: {path: folder}, data: {path: data.csv}, tool: {path: tool.sh}, own: {path: own.sh}}
  b:
    needs: a
    env: {FOLDER: "${{ steps.a.outputs.folder }}", DATA: "${{ steps.a.outputs.data }}", TOOL: "${{ steps.a.outputs.tool }}", OWN: "${{ steps.a.outputs.own }}"}
    run: |
      for change in 'echo x >"$FOLDER/y"' 'rm -f "$FOLDER/y"' 'mv "$FOLDER/y" "$FOLDER/z"' 'touch "$FOLDER/new"' 'touch "$FOLDER/deep/new"' \
        'rm -rf "$FOLDER/deep"' 'echo x >"$FOLDER/data.csv"' 'echo x >"$DATA"' 'echo x >"$TOOL"' 'echo x >"$OWN"'; do
        if sh -c "$change" 2>/dev/null; then echo "changed: $change"; fi
      done
      test -x "$TOOL" && test -x "$OWN"
Y
$as mkdir mine
$as sh -c 'echo original >mine/data.csv; echo original >mine/kept.txt; printf "#!/bin/sh\n" >mine/tool.sh; chmod 755 mine/tool.sh'
export FOLDER= DATA= TOOL= OWN=
run 0 $as orchctl run ro.yaml
run 0 $as orchctl logs last b; lacks "changed"
run 0 $as orchctl show last --json
data=$(json '.steps[0].outputs.data') tool=$(json '.steps[0].outputs.tool') folder=$(json '.steps[0].outputs.folder')
kept=$ORCH_HOME/runs/$(json .id)/a@1/artifacts/kept.txt
# The other names are their owner's as before, and what he does with them changes nothing here.
is "$(stat -c %a mine/data.csv)" 644; is "$(stat -c %a mine/tool.sh)" 755
$as sh -c 'echo changed >mine/data.csv; echo changed >mine/kept.txt; echo changed >mine/tool.sh'
is "$(cat "$data")" original; is "$(cat "$folder/data.csv")" original; is "$(cat "$tool")" '#!/bin/sh'; is "$(cat "$kept")" original
is "$(stat -c %a "$data")" 444; is "$(stat -c %a "$tool")" 555; is "$(stat -c %a "$folder/deep")" 555
# One copy is enough.
is "$(stat -c %i "$data")" "$(stat -c %i "$folder/data.csv")"
finish
