#!/usr/bin/env bash
# Purpose: a Ray of your own on this machine that several searches can use, or that other machines can join.
# Command: cluster/local.sh [PORT]     (Ctrl-C ends it, and everything that it started)
# Cost:    none; it uses the processors and cards that CUDA_VISIBLE_DEVICES leaves visible.
#
# A single search needs none of this: `mersearch launch` starts a private Ray by itself.
set -euo pipefail
port=${1:-6379}
folder=$(umask 077 && mktemp -d /tmp/mersearch-head-XXXXXX)
trap 'rm -rf "$folder"' EXIT
(umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$folder/token")
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$folder/token" RAY_USAGE_STATS_ENABLED=0
# Ray would start its workers 15 steps below everything else on the machine, where they would hardly run.
export RAY_worker_niceness=${RAY_worker_niceness:-0}
address=$(hostname -I 2>/dev/null | awk '{ print $1 }')
cat <<TEXT
In the shell of a search (or of a machine that joins, with a copy of the token file):
  export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$folder/token RAY_ADDRESS=${address:-127.0.0.1}:$port
  mersearch launch quintuplet
TEXT
ray start --head --port "$port" --temp-dir "$folder" --include-dashboard=false --disable-usage-stats --block
