#!/usr/bin/env bash
# Run the smoke study on a Slurm of one node, with two of its jobs killed on the way, and compare it with a local run.
# README.md beside this file says what it takes and how it went last time.   tests/cluster/run.sh FOLDER
set -euo pipefail

house=$(cd "$(dirname "$0")/../.." && pwd)
work=${1:?name a new folder to work in}
mkdir "$work"
work=$(cd "$work" && pwd)
export PATH="$house/.venv/bin:$PATH" SLURM_CONF="$work/slurm/slurm.conf"
study=(--configfile config/config.yaml config/smoke.yaml)
killed=()

fail() { echo "FAILED: $*" >&2; exit 1; }

# One node, this machine. No accounting, so Snakemake has to be told to ask squeue, and that there are no accounts.
start_slurm() {
  local folder=$work/slurm node
  node=$(hostname -s)
  mkdir "$folder"
  dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 status=none
  chmod 400 "$folder/munge.key"
  munged --force --socket "$folder/munge.socket" --key-file "$folder/munge.key" --seed-file "$folder/munge.seed" \
    --pid-file "$folder/munged.pid" --log-file "$folder/munged.log"
  cat > "$SLURM_CONF" << END
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MinJobAge=600
ReturnToService=2
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(($(free -m | awk '/^Mem/ {print $2}') * 9 / 10))
PartitionName=main Nodes=$node Default=YES
END
  slurmctld
  slurmd
  trap stop_slurm EXIT
  timeout 60 bash -c 'until sinfo -h -t idle -o %n | grep -q .; do sleep 1; done' || fail "the node does not come up: $folder"
}

stop_slurm() {
  scancel --user "$(id -un)" || true
  for name in slurmd slurmctld munged; do kill "$(cat "$work/slurm/$name.pid")" || true; done
}

# $1: a rule. Prints the Slurm job that runs it, once there is one.
job_of() {
  timeout 600 bash -c "until squeue -h -t R -o '%i %k' | grep -m 1 'rule_$1'; do sleep 0.5; done" || fail "no job of $1"
}

echo "Locally"
git clone -q "$house" "$work/local"
(cd "$work/local" && snakemake --cores all "${study[@]}") > "$work/local.log" 2>&1 || fail "the local run: $work/local.log"

start_slurm
echo "Through sbatch"
git clone -q "$house" "$work/cluster"
begun=$SECONDS
(cd "$work/cluster" && exec snakemake --workflow-profile profiles/slurm --slurm-no-account --slurm-status-command squeue \
  --slurm-init-seconds-before-status-checks 5 "${study[@]}") > "$work/cluster.log" 2>&1 &
run=$!

job=$(job_of train_observer)
scancel "${job%% *}"
killed+=("$job, by scancel")
job=$(job_of attack_target)
timeout 60 bash -c 'until pkill -KILL -f "^python workflow/scripts/attack.py"; do sleep 0.1; done' || fail "no attack to kill"
killed+=("$job, by SIGKILL of its script")
wait "$run" || fail "the run on Slurm: $work/cluster.log"

retried=$(grep -c "Trying to restart job" "$work/cluster.log" || true)
[[ $retried -ge ${#killed[@]} ]] || fail "${#killed[@]} jobs were killed, but $retried started again: $work/cluster.log"
diff -r "$work/local/results/smoke/tables" "$work/cluster/results/smoke/tables" || fail "the tables differ"
printf -- '- killed: job %s\n' "${killed[@]}"
echo "- $(grep -c "has been submitted with SLURM jobid" "$work/cluster.log") jobs through sbatch, $retried of them again," \
  "in $((SECONDS - begun)) s"
echo "- $(find "$work/local/results/smoke/tables" -name '*.csv' | wc -l) tables equal those of the local run, byte by byte"
echo "Held, with $(slurmctld -V), Snakemake $(snakemake --version)."
