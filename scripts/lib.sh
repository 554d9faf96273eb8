# Shared by ./quickstart, ./test and ./bench: saying what is done, and finding things. Source it; do not run it.

PALANA_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PALANA_TOOLS=${PALANA_TOOLS:-/opt/palana/tools}
export PALANA_ROOT PALANA_TOOLS

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' plain=''
fi

# die SENTENCE: one clear sentence on standard error, and out.
die() {
  printf '%serror:%s %s\n' "$red" "$plain" "$1" >&2
  exit 1
}

seconds() { date +%s.%N; }

# step TEXT COMMAND…: runs a command quietly, shows what is being done and how long it took; on failure shows its last lines.
step() {
  local text=$1 log start status took
  shift
  log=$(mktemp "${TMPDIR:-/tmp}/palana-step.XXXXXX")
  start=$(seconds)
  if [ -t 1 ]; then
    printf '  %s … ' "$text"
    "$@" >"$log" 2>&1 &
    local child=$! now
    while kill -0 "$child" 2>/dev/null; do
      now=$(seconds)
      printf '\r  %s … %s%.0f s%s ' "$text" "$dim" "$(echo "$now $start" | awk '{print $1-$2}')" "$plain"
      sleep 0.5
    done
    wait "$child" && status=0 || status=$?
    took=$(echo "$(seconds) $start" | awk '{printf "%.1f", $1-$2}')
    if [ "$status" = 0 ]; then
      printf '\r  %s %sdone%s %s(%s s)%s   \n' "$text" "$green" "$plain" "$dim" "$took" "$plain"
    else
      printf '\r  %s %sfailed%s (%s s)   \n' "$text" "$red" "$plain" "$took"
    fi
  else
    "$@" >"$log" 2>&1 && status=0 || status=$?
    took=$(echo "$(seconds) $start" | awk '{printf "%.1f", $1-$2}')
    [ "$status" = 0 ] && echo "  $text: done ($took s)" || echo "  $text: failed ($took s)"
  fi
  if [ "$status" != 0 ]; then
    tail -n 40 "$log" >&2
    echo "the whole output: $log" >&2
    return "$status"
  fi
  rm -f "$log"
}
