#!/usr/bin/env bash
# Everything that is to be measured on a GPU, in under nine minutes on an H200: the tests that need one, the losses, the
# data pipeline and the steps, the memory of linear_loss, one training of 200 epochs by the clock, compiled and eager,
# the plain loop's step beside it, and the comparison of the methods on CIFAR-10-LT and CIFAR-100-LT.
#
#     TAILWISE_DATA=... benchmarks/gpu.sh OUT
#
# OUT gets the JSON files, the tables and the runs' summaries. For a trial on a CPU, of a quarter of an hour:
#
#     small="data.profile.max_count=20 data.profile.imbalance_factor=10"
#     DEVICE=cpu EPOCHS=170 SEEDS=0 JOBS=1 REPEATS=1 IMAGES=8 LINEAR="--batch 64 --classes 512" \
#         SET="model.name=mlp model.head=cosine $small learning_rate.milestones=[160]" benchmarks/gpu.sh OUT
set -euo pipefail
out=${1:?usage: benchmarks/gpu.sh OUT}
device=${DEVICE:-cuda} epochs=${EPOCHS:-200} seeds=${SEEDS:-0-2} jobs=${JOBS:-8} repeats=${REPEATS:-15}
python=${PYTHON:-python}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
settings=(--set "training.epochs=$epochs")
for setting in ${SET:-}; do settings+=(--set "$setting"); done # words, none of which has a space
compiled=(--compile)
[ "$device" = cpu ] && compiled=()

step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

step "tests that need a GPU"
[ "$device" = cpu ] || "$python" -m pytest -q "$here/../tests" -k "gpu or cuda or triton" | tail -5

step "losses, pipeline, steps"
"$python" -m tailwise bench --device "$device" --repeats "$repeats" --out "$out/bench.json"

step "classifier and loss of 100 000 classes"
"$python" "$here/linear_loss.py" --device "$device" --repeats 1 --out "$out/linear_loss.json" \
    ${LINEAR:-} # words
for data in cifar10 cifar100; do
    recipe="$here/gpu/$data-lt-if100.yaml"
    if [ "$data" = cifar10 ]; then
        step "one training alone, by the clock: ${compiled[*]:-eager}, then eager"
        "$python" -m tailwise train "$recipe" --loss balanced_softmax --device "$device" "${compiled[@]}" \
            "${settings[@]}" --out "$out/alone/compiled"
        "$python" -m tailwise train "$recipe" --loss balanced_softmax --device "$device" \
            "${settings[@]}" --out "$out/alone/eager"
        step "the plain loop beside the library's step"
        "$python" "$here/cifar_resnet32.py" --device "$device" --repeats 1 --images "${IMAGES:-12406}" \
            --out "$out/cifar_resnet32.json"
    fi
    step "$data-LT: methods and seeds"
    "$python" -m tailwise compare "$recipe" --seeds "$seeds" --jobs "$jobs" --device "$device" "${compiled[@]}" \
        "${settings[@]}" --out "$out/runs"
done
find "$out" -name last.safetensors -delete
step "done"
