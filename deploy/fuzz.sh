#!/usr/bin/env bash
# Every fuzz target in turn, for FUZZTIME each, with a corpus that grows in a directory
# of choice: fuzz.sh CORPUS FUZZTIME [PACKAGE/FuzzName]. `go test -fuzz` by itself keeps what
# is new to it in its build cache, where `go clean -fuzzcache` and every fresh machine lose it.
# Inputs that make a target fail are written by Go to testdata/fuzz of the package and
# belong into the repository. A target that fails is named and the others go on.
set -uo pipefail
cd "$(dirname "$0")/.."
corpus=$(mkdir -p "$1" && cd "$1" && pwd) || exit 1
time=$2
one=${3:-}
go=${GO:-go}
failed=0
table=()

# inputs counts what is kept of a target.
inputs() { if [ -d "$1" ]; then find "$1" -maxdepth 1 -type f | wc -l; else echo 0; fi; }

target() { # package, name
  local import dir log before last ok=ok
  import=$($go list "$1") || { failed=1; table+=("$1 $2|-|-|-|does not load"); return; }
  dir=$corpus/${import#wardline/}
  log=$corpus/last.log
  before=$(inputs "$dir/$2")
  mkdir -p "$dir"
  echo "$1 $2"
  $go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" "$1" -args -test.fuzzcachedir="$dir" 2>&1 | tee "$log" || { ok=FAILED failed=1; }
  last=$(grep -oE 'execs: [0-9]+' "$log" | tail -n 1)
  table+=("${import#wardline/} $2|${last#execs: }|$(($(inputs "$dir/$2") - before))|$(inputs "$dir/$2")|$ok")
}

if [ -n "$one" ]; then
  target "$(dirname "$one")" "$(basename "$one")"
else
  for package in $($go list ./...); do
    names=$($go test -list '^Fuzz' "$package") || { failed=1; table+=("${package#wardline/}|-|-|-|does not build"); continue; }
    for name in $(grep '^Fuzz' <<<"$names"); do target "$package" "$name"; done
  done
fi
[ ${#table[@]} -gt 0 ] || { echo "no fuzz target" >&2; exit 1; }
rm -f "$corpus/last.log"
echo
printf '%-52s %14s %8s %8s  %s\n' target executions new kept ''
for row in "${table[@]}"; do
  IFS='|' read -r name execs new kept ok <<<"$row"
  printf '%-52s %14s %8s %8s  %s\n' "$name" "${execs:--}" "$new" "$kept" "$ok"
done
echo "the corpus is in $corpus"
exit $failed
