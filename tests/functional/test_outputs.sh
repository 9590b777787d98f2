# What a step sees and what it leaves: variables, outputs, blocks, metrics, artifacts, secrets.
. "$(dirname "$0")/lib.sh"

mkdir -p repo && cd repo && git init -q . && mkdir pipes
cat >pipes/p.yaml <<'Y'
name: see
params: {days: 14, rate: 0.5, on: true, tags: {type: list, default: [a, b]}, text: "two words"}
env: {GREETING: "hi ${{ params.days }}"}
steps:
  vars:
    run: |
      env | sort > "$ORCH_ARTIFACTS/env"
      test -d "$ORCH_OUT" && test -d "$ORCH_ARTIFACTS"
      pwd > "$ORCH_ARTIFACTS/pwd"
      mkdir "$ORCH_ARTIFACTS/deep"; echo x > "$ORCH_ARTIFACTS/deep/x.txt"
    env: {OWN: "1"}
  out:
    run: |
      echo one > "$ORCH_OUT/one.txt"
      mkdir "$ORCH_OUT/folder"; echo f > "$ORCH_OUT/folder/f"
      { echo plain=value; echo "eq=a=b"; echo "empty="; echo 'block<<END'; echo line1; echo line2; echo END; echo count=41; } >> "$ORCH_OUTPUT"
      printf 'loss 0.5 1\nloss 0.25 2\nf1 0.8\n{"auc": 0.9, "step": 3}\nbad nan\n' >> "$ORCH_METRICS"
    outputs:
      file: {path: one.txt, dataset: l3}
      folder: {path: folder}
      count: {type: integer}
      maybe: {path: none, optional: true}
  read:
    needs: out
    inputs: {data: "${{ steps.out.outputs.file }}"}
    run: |
      cat "$ORCH_INPUT_DATA" "${{ steps.out.outputs.file }}" ${{ steps.out.outputs.folder }}/f
      echo "${{ steps.out.outputs.block }}"
      echo "[${{ steps.out.outputs.eq }}][${{ steps.out.outputs.empty }}]"
      echo sum=${{ steps.out.outputs.count + 1 }}
      echo m=${{ steps.out.metrics.loss }}
      test ! -w "$ORCH_INPUT_DATA" || test "$(id -u)" = 0
Y
LEAK=x run 0 orchctl run pipes/p.yaml -q
run 0 orchctl show last --json
id=$(json .id)
env=$(cat "$ORCH_HOME/runs/$id/vars@1/artifacts/env")
for line in ORCH_RUN_ID="$id" ORCH_PIPELINE=see ORCH_STEP=vars ORCH_ATTEMPT=1 ORCH_ROOT="$work/repo" ORCH_PARAM_DAYS=14 \
    ORCH_PARAM_RATE=0.5 ORCH_PARAM_ON=true 'ORCH_PARAM_TAGS=["a","b"]' 'ORCH_PARAM_TEXT=two words' 'GREETING=hi 14' OWN=1 \
    ORCH_OUT= ORCH_OUTPUT= ORCH_METRICS= ORCH_ARTIFACTS= PATH= HOME=; do
    has "
$line" "
$env"
done
lacks "LEAK=" "$env"; lacks "ORCH_HOME=" "$env"
is "$(cat "$ORCH_HOME/runs/$id/vars@1/artifacts/pwd")" "$work/repo/pipes"
is "$(json '.steps[1].outputs.plain')" value
is "$(json '.steps[1].outputs.eq')" a=b
is "$(json '.steps[1].outputs.empty')" ""
is "$(json '.steps[1].outputs.block')" "line1
line2"
is "$(json '.steps[1].outputs.count|type')" number
is "$(json '.steps[1].outputs|has("maybe")')" false
is "$(json '.steps[1].metrics|"\(.loss) \(.f1) \(.auc) \(.bad)"')" "0.25 0.8 0.9 NaN"
file=$(json '.steps[1].outputs.file')
is "$(cat "$file")" one
is "$(stat -c %a "$file")" 444
is "$(json '[.steps[0].artifacts[].name]|sort|join(",")')" deep/x.txt,env,pwd
is "$(json '[.steps[1].artifacts[]|select(.name=="file")|.dataset][0]')" l3
is "$(json '[.steps[1].artifacts[]|select(.name=="file")|.digest][0]')" "$(sha256sum "$file" | cut -d' ' -f1)"
run 0 orchctl logs last read
is "$out" "one
one
f
line1
line2
[a=b][]
sum=42
m=0.25"
run 0 orchctl show last; has "Outputs"; has "Artifacts"; has "out.plain"; has "loss=0.25"
cd ..

# ---- outputs that are wrong fail the step, with what is wrong
try() { # NAME SCRIPT OUTPUTS WHAT
    printf 'name: w\nsteps:\n  a:\n    run: |\n      %s\n%s' "$2" "$3" >w.yaml
    run 1 orchctl run w.yaml
    has "a: failed"; has "$4"
    run 0 orchctl show last --json
    is "$(json '.steps[0]|"\(.status) \(.reason) \(.outputs|length)"')" "failed output 0"
}
try missing  'true'                                    '    outputs: {m: {path: m.bin}}
' "m.bin"
try symlink  'ln -s /etc/hostname "$ORCH_OUT/m.bin"'   '    outputs: {m: {path: m.bin}}
' "m.bin"
try folderlink 'mkdir "$ORCH_OUT/d"; ln -s /etc/passwd "$ORCH_OUT/d/p"' '    outputs: {m: {path: d}}
' "link"
try throughlink 'ln -s /etc "$ORCH_OUT/d"'             '    outputs: {m: {path: d/hostname}}
' "d"
try fifo     'mkfifo "$ORCH_OUT/m.bin"'                '    outputs: {m: {path: m.bin}}
' "m.bin"
try noequals 'echo nonsense >> "$ORCH_OUTPUT"'         '' "line 1"
try openend  'echo "a<<END" >> "$ORCH_OUTPUT"'         '' "END"
try badtype  'echo n=x >> "$ORCH_OUTPUT"'              '    outputs: {n: {type: integer}}
' "n"
try badmetric 'echo "f1 high" >> "$ORCH_METRICS"'      '' "line 1"
printf 'name: w\nsteps:\n  a: {run: echo, outputs: {m: {path: ../../x}}}\n' >w.yaml
run 3 orchctl run w.yaml; has "w.yaml:3:" "$err"
# A missing name fails the reader, not silently empty.
printf 'name: w\nsteps:\n  a: {run: echo}\n  b: {needs: a, run: "echo ${{ steps.a.outputs.nope }}"}\n' >w.yaml
run 1 orchctl run w.yaml; has "nope"
run 0 orchctl show last --json; is "$(json '.steps[1].reason')" expr

# ---- empty files and folders have a size too
cat >empty.yaml <<'Y'
name: empty
steps:
  a: {run: ': > "$ORCH_OUT/f"; mkdir "$ORCH_OUT/d"; : > "$ORCH_ARTIFACTS/e"', outputs: {f: {path: f}, d: {path: d}}}
Y
run 0 orchctl run empty.yaml -q
run 0 orchctl show last; has "/f (0B)"; has "/d (0B)"; lacks "(-)"

# ---- an input is the same path as a variable and in an expression
cat >in.yaml <<'Y'
name: in
steps:
  a: {workdir: /, inputs: {f: data.csv}, run: 'echo "$ORCH_INPUT_F" ${{ inputs.f }}'}
Y
echo x >data.csv
run 0 orchctl run in.yaml -q
run 0 orchctl logs last; is "$out" "a: $work/data.csv $work/data.csv"

# ---- secrets: in the environment of the step, masked in the log, never in an output
cat >s.yaml <<'Y'
name: s
secrets: [TOKEN]
steps:
  use: {env: {T: "${{ secrets.TOKEN }}"}, run: 'echo "the token is $T"; printf %s "$T" | base64; test "${#T}" = 12; first=${T%value}; printf %s "$first"; sleep 0.05; printf "value\n"'}
  line: {run: 'echo "also ${{ secrets.TOKEN }}"'}
Y
run 6 orchctl run s.yaml; has "TOKEN" "$err"
mkdir -p "$ORCH_HOME/secrets"; printf 's3cr3t-value\n' >"$ORCH_HOME/secrets/TOKEN"
chmod 644 "$ORCH_HOME/secrets/TOKEN"
run 5 orchctl run s.yaml; has "chmod 600" "$err"
chmod 600 "$ORCH_HOME/secrets/TOKEN"
run 0 orchctl run s.yaml -q
run 0 orchctl logs last; lacks s3cr3t-value; lacks "$(printf s3cr3t-value | base64)"; has "the token is "; has "also "
ORCH_SECRET_TOKEN=another-value run 1 orchctl run s.yaml -q # the environment goes first: the test inside fails
run 0 orchctl logs last; lacks another-value
grep -rlF s3cr3t-value "$ORCH_HOME" --exclude-dir=secrets && bad "the secret lies about"
printf 'name: s\nsecrets: [TOKEN]\nsteps: {a: {env: {T: "${{ secrets.TOKEN }}"}, run: "echo v=$T >> $ORCH_OUTPUT"}}\n' >s2.yaml
run 1 orchctl run s2.yaml; lacks s3cr3t-value; has "TOKEN"
ORCH_SECRET_TOKEN=abc run 3 orchctl run s2.yaml; has "6" "$err"
# Nor do names of outputs, metrics and artifacts carry it out, nor the messages that quote what a step wrote.
cat >s3.yaml <<'Y'
name: s
secrets: [TOKEN]
defaults: {env: {T: "${{ secrets.TOKEN }}"}, continue_on_error: true}
steps:
  metric: {run: 'echo "$T 1" >> "$ORCH_METRICS"'}
  failed: {run: 'echo "$T 1" >> "$ORCH_METRICS"; exit 1'}
  value:  {run: 'echo "$T x" >> "$ORCH_METRICS"'}
  output: {run: 'echo "$T=1" >> "$ORCH_OUTPUT"'}
  line:   {run: 'echo "$T" >> "$ORCH_OUTPUT"'}
  block:  {run: 'echo "n<<$T" >> "$ORCH_OUTPUT"'}
  file:   {run: 'touch "$ORCH_ARTIFACTS/$T"'}
  fifo:   {run: 'mkfifo "$ORCH_ARTIFACTS/$T"'}
  link:   {run: 'mkdir "$ORCH_OUT/d"; ln -s x "$ORCH_OUT/d/$T"', outputs: {d: {path: d}}}
Y
export ORCH_SECRET_TOKEN=s3cr3t_value
run 0 orchctl run s3.yaml; lacks s3cr3t
run 0 orchctl run s3.yaml --json; lacks s3cr3t
run 0 orchctl show last --json; lacks s3cr3t
is "$(json '[.steps[]|select(.status=="succeeded")|.name]|join(" ")')" fifo
is "$(json '[.steps[]|select(.reason=="output")]|length')" 7
run 0 orchctl logs last; lacks s3cr3t; has "not kept as an artifact"
grep -qF s3cr3t_value "$ORCH_HOME"/orch.db* && bad "the secret lies in the database"
# What was refused does not stay in the data folder, whatever the step's end was.
grep -rlF s3cr3t_value "$ORCH_HOME" --exclude-dir=secrets --exclude-dir=artifacts && bad "the secret lies in a folder of an attempt"
find "$ORCH_HOME" -path '*/file@*' -name '*s3cr3t*' | grep . && bad "the secret is a name in a folder of an attempt"
# In other forms too.
cat >s4.yaml <<'Y'
name: s
secrets: [TOKEN]
defaults: {env: {T: "${{ secrets.TOKEN }}"}, continue_on_error: true}
steps:
  plain:  {run: 'echo "o=$(printf %s "$T" | base64)" >> "$ORCH_OUTPUT"'}
  one:    {run: 'echo "o=$(printf %s "a$T" | base64)" >> "$ORCH_OUTPUT"'}
  two:    {run: 'echo "o=$(printf %s "ab$T" | base64)" >> "$ORCH_OUTPUT"'}
  line:   {run: 'printf %s "$T" | base64 >> "$ORCH_OUTPUT"'}
  typed:  {run: 'echo "n=$(printf %s "$T" | base64)" >> "$ORCH_OUTPUT"', outputs: {n: {type: integer}}}
  folder: {run: 'mkdir "$ORCH_ARTIFACTS/$T" && touch "$ORCH_ARTIFACTS/$T/x"'}
Y
run 0 orchctl run s4.yaml; lacks czNjcjN0; lacks s3cr3t
run 0 orchctl show last --json; is "$(json '[.steps[]|select(.reason=="output")]|length')" 6
lacks czNjcjN0; lacks s3cr3t
id=$(json .id)
grep -rlE 'czNjcjN0|NjcjN0X3|zM2NyM3R' "$ORCH_HOME/runs/$id" && bad "the secret lies about in base64"
find "$ORCH_HOME/runs/$id" -name '*s3cr3t*' | grep . && bad "the secret is a name in a folder of an attempt"
# A long one is not told where a message cuts what it quotes.
export ORCH_SECRET_TOKEN=$(printf 'long%096d' 7)
run 0 orchctl run s3.yaml; lacks long00
unset ORCH_SECRET_TOKEN
finish
