#!/usr/bin/env bash
# Run the smoke study on a Slurm of one node, with two of its jobs killed on the way, and compare it with a local run.
# README.md beside this file says what it takes and how it went last time.   tests/cluster/run.sh FOLDER
set -euo pipefail

fail() { echo "FAILED: $*" >&2; exit 1; }

house=$(cd "$(dirname "$0")/../.." && pwd)
[[ $# == 1 ]] || fail "name a new folder to work in: tests/cluster/run.sh FOLDER"
[[ $(id -u) == 0 ]] || fail "Slurm's daemons need root here: run this as root, on a machine that may be used for it"
[[ -x $house/.venv/bin/snakemake ]] || fail "no Snakemake in $house/.venv: run \`make setup\` first"
for command in munged slurmctld slurmd sbatch; do
  command -v "$command" > /dev/null || fail "no $command: on Debian, apt-get install slurm-wlm munge"
done
mkdir "$1" || fail "the folder to work in must be a new one"
work=$(cd "$1" && pwd)
slurm=$work/slurm
export PATH="$house/.venv/bin:$slurm/bin:$PATH" SLURM_CONF="$slurm/slurm.conf"
# On the CPU in both runs, whatever this machine has, so that equal tables can be asked for.
study=(--configfile config/config.yaml config/smoke.yaml --config device=cpu)
killed=()
run=

# One node, this machine, reached from nowhere else. Its GPUs are pretended: Slurm only counts them.
start_slurm() {
  local node
  node=$(hostname -s)
  mkdir -p "$slurm/bin"
  # Snakemake's jobs forget SLURM_CONF before they call srun, which would look for a cluster's own file.
  printf '#!/bin/sh\nSLURM_CONF="%s" exec "%s" "$@"\n' "$SLURM_CONF" "$(command -v srun)" > "$slurm/bin/srun"
  chmod +x "$slurm/bin/srun"
  dd if=/dev/urandom of="$slurm/munge.key" bs=128 count=1 status=none
  chmod 400 "$slurm/munge.key"
  touch "$slurm/gpu0" "$slurm/gpu1"
  echo "Name=gpu File=$slurm/gpu[0-1]" > "$slurm/gres.conf"
  cat > "$SLURM_CONF" << END
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
AuthInfo=socket=$slurm/munge.socket
StateSaveLocation=$slurm/state
SlurmdSpoolDir=$slurm/spool
SlurmctldPidFile=$slurm/slurmctld.pid
SlurmdPidFile=$slurm/slurmd.pid
SlurmctldLogFile=$slurm/slurmctld.log
SlurmdLogFile=$slurm/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MinJobAge=86400
ReturnToService=2
GresTypes=gpu
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(($(free -m | awk '/^Mem/ {print $2}') * 9 / 10)) Gres=gpu:2
PartitionName=main Nodes=$node Default=YES
END
  munged --force --socket "$slurm/munge.socket" --key-file "$slurm/munge.key" --seed-file "$slurm/munge.seed" \
    --pid-file "$slurm/munged.pid" --log-file "$slurm/munged.log"
  slurmctld
  slurmd
  timeout 60 bash -c 'until sinfo -h -t idle -o %n | grep -q .; do sleep 1; done' || fail "the node does not come up: $slurm"
}

stop() {
  [[ -z $run ]] || { kill "$run" && wait "$run"; } 2> /dev/null || true
  [[ ! -e $slurm/slurmctld.pid ]] || scancel --user "$(id -un)" || true
  for name in slurmd slurmctld munged; do
    [[ ! -e $slurm/$name.pid ]] || kill "$(cat "$slurm/$name.pid")" || true
  done
}

# Waits until a job on the cluster runs a script, and kills it.   kill_one SCRIPT scancel|SIGKILL
kill_one() {
  local pid job
  while kill -0 "$run" 2> /dev/null; do
    for pid in $(pgrep -f "^python workflow/scripts/$1"); do
      [[ $(readlink "/proc/$pid/cwd") == "$work/cluster" ]] || continue
      job=$(tr '\0' '\n' 2> /dev/null < "/proc/$pid/environ" | sed -n 's/^SLURM_JOB_ID=//p') || continue
      if [[ $2 == scancel ]]; then scancel "$job"; else kill -KILL "$pid"; fi || continue
      killed+=("$job")
      echo "- killed: job $job, $(squeue -h -t all -j "$job" -o %k), in the middle of $1, by $2"
      return
    done
    sleep 0.2
  done
  fail "the run on Slurm ended before a job with $1 could be killed: $work/cluster.log"
}

echo "Locally"
git clone -q "$house" "$work/local"
(cd "$work/local" && snakemake --cores all "${study[@]}") > "$work/local.log" 2>&1 || fail "the local run: $work/local.log"

trap stop EXIT
start_slurm
echo "Through sbatch"
git clone -q "$work/local" "$work/cluster"  # the same commit, whatever has been committed since
begun=$SECONDS
# There is no accounting here, so Snakemake has to be told to ask squeue.
(cd "$work/cluster" && exec snakemake --workflow-profile profiles/slurm --default-resources slurm_partition=main \
  --slurm-status-command squeue --slurm-init-seconds-before-status-checks 5 \
  --set-resources attack_target:gpu=1 attack_target_by_all:gpu=1 "${study[@]}") > "$work/cluster.log" 2>&1 &
run=$!
kill_one train_classifier.py scancel
kill_one attack.py SIGKILL
wait "$run" || fail "the run on Slurm: $work/cluster.log"
run=
took=$((SECONDS - begun))

for job in "${killed[@]}"; do
  grep -q "SLURM-job '$job' failed" "$work/cluster.log" || fail "job $job was killed, and nobody noticed: $work/cluster.log"
done
retried=$(grep -c "Trying to restart job" "$work/cluster.log" || true)
[[ $retried == "${#killed[@]}" ]] || fail "${#killed[@]} jobs were killed, but $retried started again: $work/cluster.log"

squeue -h -t all -O "Comment:120,MinMemory:8,TimeLimit:12,tres-per-job:12" | sed 's/^rule_//; s/_wildcards_[^ ]*//' \
  | awk '{print $1, $2, $3, $4}' | sort | uniq -c > "$work/asked.txt"
[[ $(awk '/gpu/ {print $2}' "$work/asked.txt" | xargs) == "attack_target attack_target_by_all" ]] || fail "GPUs for the attacks alone: $work/asked.txt"

diff -r "$work/local/results/smoke/tables" "$work/cluster/results/smoke/tables" || fail "the tables differ"
echo "- $(squeue -h -t all | wc -l) jobs through sbatch in $took s, $retried of them again; what they asked for:"
cat "$work/asked.txt"
echo "- $(find "$work/local/results/smoke/tables" -name '*.csv' | wc -l) tables equal those of the local run, byte by byte"
echo "Held, with $(slurmctld -V), Snakemake $(snakemake --version)," \
  "$(pip list --format=freeze | grep '^snakemake-executor-plugin-slurm==')."
