#!/usr/bin/env bash
# Purpose: one search over several nodes of a Slurm cluster; at the time limit it goes back into the queue and goes on.
# Command: sbatch slurm-nodes.sh quintuplet_casme2 data.root=/shared/CASME2 macro.root=/shared/CK+ run.name=first
#          from a folder that all nodes share; preprocess.cache must lie on a shared file system too
# Cost:    planned maximum: 4 nodes with 4 GPUs, 96 GPU-hours per pass through the queue  #== cost
#SBATCH --job-name=mersearch  #= name
#SBATCH --nodes=4  #= max_workers
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=4  #= cpus
#SBATCH --gpus-per-node=1  #= gpus
#SBATCH --mem=16G  #= memory
#SBATCH --time=24:00:00  #= time
#SBATCH --signal=B:USR1@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=mersearch-%j.log
set -uo pipefail
[ $# -gt 0 ] || set -- quintuplet  #= search
umask 077
# A token of this job, in a folder that its nodes share and only this user reads.
job=$PWD/.mersearch-$SLURM_JOB_ID
rm -rf "$job" && mkdir "$job"
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$job/token"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$job/token RAY_USAGE_STATS_ENABLED=0
export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0
# Ray would start its workers 15 steps below other jobs of the node, where they would hardly run.
export RAY_worker_niceness=${RAY_worker_niceness:-0}
# Ports of this job: jobs that share a node do not meet.
port=$((20000 + SLURM_JOB_ID % 4000 * 10))
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
first=${nodes%%$'\n'*}
address=$(getent ahostsv4 "$first" | awk '$1 !~ /^127/ { print $1; exit }')
[ -n "$address" ] || address=$(hostname -I | awk '{ print $1 }') # this script runs on the first node
each=${SLURM_GPUS_ON_NODE:-0}
[ "$each" -gt 0 ] || each=${SLURM_CPUS_PER_TASK:-1} # a node without cards trains on its processors
slots=$((SLURM_JOB_NUM_NODES * each))
temporary=/tmp/ms-$SLURM_JOB_ID
requeue=no driver='' rays=()

# Ends what this script started, by its process id: the search, then Ray on every node. Never all Ray of a node.
finish() {
  trap '' USR1 TERM
  [ -z "$driver" ] || { kill -TERM "$driver" 2>/dev/null; wait "$driver"; }
  for ray in "${rays[@]}"; do kill -TERM "$ray" 2>/dev/null; done
  for ray in "${rays[@]}"; do wait "$ray"; done
  for node in $nodes; do
    srun --overlap --nodes=1 --ntasks=1 --nodelist="$node" rm -rf "$temporary-$node"
  done
  rm -rf "$job"
}
trap finish EXIT
trap 'requeue=yes; kill -TERM "$driver" 2>/dev/null' USR1
trap 'kill -TERM "$driver" 2>/dev/null' TERM

start() { # NODE OPTION… -> Ray on that node until it is ended
  local node=$1
  shift
  srun --overlap --nodes=1 --ntasks=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --nodelist="$node" \
    ray start "$@" --temp-dir="$temporary-$node" --num-cpus="${SLURM_CPUS_PER_TASK:-1}" --block \
    > "$job/$node.log" 2>&1 &
  rays+=($!)
}
start "$first" --head --node-ip-address="$address" --port="$port" \
  --dashboard-agent-listen-port=$((port + 1)) --include-dashboard=false --disable-usage-stats
ready() { (exec 3<> "/dev/tcp/$address/$port") 2>/dev/null; }
for _ in $(seq 120); do ready || ! kill -0 "${rays[0]}" 2>/dev/null && break; sleep 1; done
ready || { echo "Ray did not start on $first:" >&2; tail -n 20 "$job/$first.log" >&2; exit 1; }
place=2
for node in $nodes; do
  [ "$node" = "$first" ] || start "$node" --address="$address:$port" --dashboard-agent-listen-port=$((port + place))
  place=$((place + 1))
done

# The same command starts a run and goes on with it. Trials wait for nodes that are late.
space=$1
shift
mersearch launch "$space" search.concurrency="$slots" "$@" --address "$address:$port" &
driver=$!
wait "$driver"; code=$?
while kill -0 "$driver" 2>/dev/null; do wait "$driver"; code=$?; done
driver=
# 3: stopped with everything kept; 128 and more: ended by the signal before the search had begun.
if [ "$requeue" = yes ] && { [ "$code" = 3 ] || [ "$code" -ge 128 ]; }; then
  echo "$(date -u '+%F %T') the time limit is near: job $SLURM_JOB_ID goes back into the queue"
  finish
  trap - EXIT
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
fi
exit "$code"
