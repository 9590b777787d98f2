# --from and --only: what is reused is what was stored, and what has changed since is said.
. "$(dirname "$0")/lib.sh"

write() { # DEFINITION-OF-A
    cat >p.yaml <<Y
name: reuse
params: {days: 14, depth: 4}
steps:
  a:
    run: |
      $1 \${{ params.days }} >"\$ORCH_OUT/f"; mkdir -p "\$ORCH_OUT/d/deep"; echo x >"\$ORCH_OUT/d/deep/x"; echo y >"\$ORCH_OUT/d/y"
      echo empty=; echo value=1 >>"\$ORCH_OUTPUT"
    outputs: {f: {path: f}, d: {path: d}}
  b:
    needs: a
    run: cat "\${{ steps.a.outputs.f }}" \${{ steps.a.outputs.d }}/deep/x; echo "depth \${{ params.depth }}"
Y
}
write echo
run 0 orchctl run p.yaml -q
run 0 orchctl show last --json
first=$(json .id) f=$(json '.steps[0].outputs.f') d=$(json '.steps[0].outputs.d')
run 0 orchctl run p.yaml --from b; lacks warning
run 0 orchctl show last --json; is "$(json '.steps[0].status')" reused
is "$(json '.manifest.reused.a|"\(.run) \(.changed|length)"')" "$first 0"

# ---- changed or gone, and restored: plan says so and changes nothing, run does it
spoil() { chmod -R u+w "$d" "$f" 2>/dev/null; rm -rf "$f" "$d/deep"; echo changed >"$f"; }
spoil
run 0 orchctl plan p.yaml --from b; has "comes back from the artifact store"; has "'f'"; has "'d'"
is "$(cat "$f")" changed; check test ! -e "$d/deep/x"
run 0 orchctl run p.yaml --from b; has "restored from the artifact store"
is "$(cat "$f")" 14; is "$(cat "$d/deep/x")" x; is "$(stat -c %a "$d/deep")" 555; is "$(stat -c %a "$f")" 444
run 0 orchctl logs last b; has "14"
rm -rf "${f:?}"
run 0 orchctl run p.yaml --only b -q; is "$(cat "$f")" 14

# ---- one inode: what is changed in place is changed in the store too
chmod u+w "$f" && echo 99 >"$f"
was=$(printf '14\n' | sha256sum | cut -c1-64) is=$(printf '99\n' | sha256sum | cut -c1-64)
for verb in plan run; do
    run 70 orchctl $verb p.yaml --from b
    has "step 'a' cannot be reused" "$err"; has "output 'f'" "$err"; has "$was" "$err"; has "$is" "$err"; has "without --from or --only" "$err"
done
run 70 orchctl run p.yaml --from b --json; is "$(json .error.code)" corrupt
run 0 orchctl runs --json; is "$(json length)" 4
run 1 orchctl doctor; has "fail  artifacts"; has "1 of "; has "$was"; has "$is"
# ... and a step that runs again writes the object anew
run 0 orchctl run p.yaml -q
run 0 orchctl run p.yaml --from b; lacks warning
rm -rf "$ORCH_HOME"/runs/*/a@*/out/f
run 0 orchctl run p.yaml --from b; has "restored from the artifact store"

# ---- what has changed since it ran
run 0 orchctl run p.yaml --from b -p depth=8; lacks warning
run 0 orchctl run p.yaml --from b -p days=30; has "warning"; has "parameter days"; lacks "its definition"
run 0 orchctl show last --json
is "$(json '.manifest.reused.a.changed|join("; ")')" "parameter days"; has "changed since: parameter days"
run 0 orchctl plan p.yaml --from b -p days=30 --json
is "$(json '.steps[0].changed|join("; ")')" "parameter days"
write 'printf %s\\n'
run 0 orchctl plan p.yaml --from b; has "warning:"; has "its definition in the file"; lacks "parameter"
run 0 orchctl run p.yaml --from b; has "warning"; has "its definition in the file"
# The run before reused it too: it is compared with the one in which it ran.
run 0 orchctl run p.yaml --from b; has "its definition in the file"
run 0 orchctl run p.yaml --from b -q; is "$out$err" ""
run 0 orchctl run p.yaml --from b --json; has "its definition in the file"
write echo
run 0 orchctl run p.yaml --from b; lacks warning
sed -i 's/^  a:$/  a: # a comment/' p.yaml
run 0 orchctl run p.yaml --from b; lacks warning
run 0 orchctl doctor;        has "ok    artifacts"; has "objects verified"
run 0 orchctl doctor --deep; has "ok    artifacts"
finish
