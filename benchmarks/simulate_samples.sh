#!/usr/bin/env bash
# Makes the samples on which taggers are compared: the training mix, and test samples of one process each.
# Use: benchmarks/simulate_samples.sh FOLDER [FACTOR]      FACTOR 0.1 makes a tenth of the jets; WORKERS=2, TRAIN=train
# What was interrupted goes on when the command is given again; files that are there are kept.
set -euo pipefail
folder=${1:?usage: $0 FOLDER [FACTOR]}
factor=${2:-1}
train=${TRAIN:-train}
workers=${WORKERS:-2}
mkdir -p "$folder"

simulate() {  # NAME JETS SEED [OPTIONS]
  local out="$folder/$1.h5" jets
  jets=$(awk -v jets="$2" -v factor="$factor" 'BEGIN { printf "%d", jets * factor + 0.5 }')
  if [ -e "$out" ]; then echo "$out is there"; return; fi
  local resume=()
  if [ -e "$out.parts" ]; then resume=(--resume); fi
  "$train" simulate --out "$out" --jets "$jets" --seed "$3" --workers "$workers" "${@:4}" ${resume[@]+"${resume[@]}"}
}

simulate train 300000 101
simulate val 50000 102
simulate ttbar 500000 103 --mix ttbar
high=$(mktemp --suffix .yaml)
trap 'rm -f "$high"' EXIT
echo "jets: {minimum_pt: 250}" > "$high"
simulate zprime 200000 104 --mix zprime800:1,zprime2000:1 --config "$high"
