#!/usr/bin/env bash
# All that is to be seen on a GPU, in one command of nine minutes: whether a GPU gives what a CPU gives, how fast attacks
# are, and as much of config/replay.yaml as fits.
#
#   benchmarks/gpu.sh                     # the parts in turn: tests engine variants replay
#   benchmarks/gpu.sh replay              # some parts; the replay resumes where it stopped
#   benchmarks/gpu.sh compiled            # two costly ways of computing a step
#   benchmarks/gpu.sh --small             # a try on a CPU
#
# PACK   what a machine without network lacks (.gpu): cifar100.zip, cache/, pack.yaml (benchmarks/pack_replay.py), wheels/
# OUT    where results go, few and small files, written as the work goes on (results/gpu)
# LIMIT  seconds for everything (530)
set -uo pipefail
cd "$(dirname "$0")/.."
PACK=${PACK:-.gpu} OUT=${OUT:-results/gpu} LIMIT=${LIMIT:-530}
mkdir -p "$OUT"
exec > >(tee -a "$OUT/log.txt") 2>&1

device=cuda batches=(1 16 64 256) only=() study=(config/replay.yaml "$PACK/pack.yaml") amount=()
if [ "${1:-}" = --small ]; then
    shift
    device=cpu batches=(1 2) only=(--only lenet)
    study=(config/replay.yaml config/replay-small.yaml "$PACK/pack.yaml")
    amount=(--steps 16 --epochs 1)
fi
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(tests engine variants replay)

export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TQDM_DISABLE=1 SEMSIM_MIRROR=$PACK SEMSIM_CACHE=$PACK/cache
export PYTHONPATH=$PWD/workflow
if [ -d "$PACK/wheels" ]; then
    site=$(mktemp -d)
    python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$PACK"/wheels/*.whl
    PYTHONPATH=$PYTHONPATH:$site
fi

# $1: seconds at most; then a command. Whatever becomes of it, the next part begins.
part() {
    local seconds=$1 status=0
    shift
    echo "== ${SECONDS} s: $*" >&2
    timeout --kill-after 5 "$seconds" "$@" || status=$?
    echo "== ${SECONDS} s: ended with status $status" >&2
}

tests() {
    local files workers=()
    # The rest of the tests needs packages that a GPU machine may lack.
    files=(tests/test_{devices,attack_cuda,attack_run,attack_gradients,targets_training,learned_training}.py)
    python3 -c 'import xdist' 2> /dev/null && workers=(-n 6)
    OMP_NUM_THREADS=2 part 110 python3 -m pytest -m cuda -q -p no:cacheprovider --continue-on-collection-errors \
        --durations 8 "${workers[@]}" "${files[@]}"
}

engine() {
    part 90 python3 benchmarks/attack_engine.py --device $device --batches "${batches[@]}" "${only[@]}" \
        > >(tee -a "$OUT/rates.jsonl")
}

variants() {
    part 110 python3 benchmarks/attack_variants.py --device $device --batches "${batches[@]: -2}" --seconds 80 \
        "${only[@]}" > >(tee -a "$OUT/variants.jsonl")
}

compiled() {
    local way=("library" "plain" "compiled" "compiled, plain")
    for network in lenet "convnet width 64" "resnet20 x4"; do
        part 100 python3 benchmarks/attack_variants.py --device $device --batches 64 --only "$network" \
            --ways "${way[@]}" > >(tee -a "$OUT/variants.jsonl")
    done
}

replay() {
    local seconds=$((LIMIT - SECONDS))
    part $((seconds + 5)) python3 benchmarks/replay.py "${study[@]}" --device $device --seconds $((seconds - 15)) \
        "${amount[@]}" --out "$OUT"
}

python3 - << 'EOF'
import platform
import torch

cuda = torch.cuda.is_available()
print("Python", platform.python_version(), "PyTorch", torch.__version__, torch.cuda.get_device_name() if cuda else "no GPU")
EOF
for name in "${parts[@]}"; do
    case $name in
        tests | engine | variants | compiled | replay) "$name" ;;
        *) echo "$name: no such part. They are tests, engine, variants, compiled and replay." ;;
    esac
done
echo "== ${SECONDS} s: done"
