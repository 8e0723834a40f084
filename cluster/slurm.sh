#!/usr/bin/env bash
# Purpose: one search on one node of a Slurm cluster; at the time limit it goes back into the queue and goes on.
# Command: sbatch slurm.sh quintuplet_casme2 data.root=/shared/CASME2 macro.root=/shared/CK+ run.name=first
# Cost:    planned maximum: 1 node with 1 GPU, 24 GPU-hours per pass through the queue  #== cost
#SBATCH --job-name=mersearch  #= name
#SBATCH --nodes=1
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
export RAY_USAGE_STATS_ENABLED=0
scratch=$(mktemp -d "/tmp/ms-$SLURM_JOB_ID-XXXX")
export TMPDIR=$scratch
requeue=no driver=
# Ends what this script started, by its process id; Ray's own processes end with the search.
finish() { [ -z "$driver" ] || kill -TERM "$driver" 2>/dev/null && wait "$driver"; rm -rf "$scratch"; }
trap finish EXIT
trap 'requeue=yes; kill -TERM "$driver" 2>/dev/null' USR1
trap 'kill -TERM "$driver" 2>/dev/null' TERM

# The same command starts a run and goes on with it.
mersearch launch "$@" &
driver=$!
wait "$driver"; code=$?
while kill -0 "$driver" 2>/dev/null; do wait "$driver"; code=$?; done
driver=
if [ "$requeue" = yes ] && [ "$code" = 3 ]; then
  echo "$(date -u '+%F %T') the time limit is near: job $SLURM_JOB_ID goes back into the queue"
  rm -rf "$scratch"
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
fi
exit "$code"
