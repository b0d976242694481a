#!/usr/bin/env bash
# The first run on a GPU, in four minutes: whether what is written for CUDA computes the right thing,
# and how fast. Each step is a process of its own with a limit of time. A step that the time left is
# too short for is skipped and named; its goal stays open.
#
#   benchmarks/gpu.sh [--cpu] [--seconds 240] [--pace 1] [STEP ...]
#
# Without a CUDA device, or with --cpu, the same code runs with small sizes on the CPU, and times are
# not compared with goals. --pace 3 gives each step three times its limit, for a busy machine. Set
# PYTHON to choose the interpreter; it needs requirements.txt, and ROS 2 for the step `node` alone.
# The exit code is 1 where a step failed or missed a goal.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
PYTHON=${PYTHON:-python3}
seconds=240 pace=1 small=() chosen=()
while (($#)); do
  case $1 in
    --cpu) small=(--device cpu --small) ;;
    --seconds) seconds=${2:?--seconds needs a number}; shift ;;
    --pace) pace=${2:?--pace needs a whole number}; shift ;;
    -*) echo "unknown option $1; see the head of benchmarks/gpu.sh" >&2; exit 2 ;;
    *) chosen+=("$1") ;;
  esac
  shift
done

# Step, least seconds that it is started with, most seconds that it gets, goals.
STEPS='
parity 15 60 cosine_to_float32_on_the_CPU:_float32_≥_0.99999,_bfloat16_and_float16_≥_0.9999
forward 40 120 ViT-L_322_px_batch_1_≥_3_times_eager_float32;_batch_32_within_2_times_of_the_roofline
graphs 10 40 recorded,_replayed,_equal_to_eager
reranking 10 40 100_candidates_≥_10_times_the_released_algorithm
search 15 60 exact_search_of_100,000_places_≤_1_ms
tests 15 60 tests_that_need_a_CUDA_device_pass
node 20 90 the_node_answers_every_image_of_a_bag
'

export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
if ((${#small[@]} == 0)) && ! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  echo 'There is no CUDA device: small sizes on the CPU, times say nothing of a GPU.'
  small=(--device cpu --small)
fi
if ((${#small[@]} == 0)); then nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv; fi
echo "$(date -u '+%Y-%m-%d %H:%M UTC'), $(uname -m), $(getconf _NPROCESSORS_ONLN) cores, ${seconds} s in all"

run_step() { # STEP SECONDS
  if [[ $1 == tests ]]; then
    timeout "$2" "$PYTHON" -m pytest -q -rs -p no:cacheprovider \
      test/network/runtime/test_inference.py test/network/test_extractor.py -k cuda
  else
    timeout "$2" "$PYTHON" -m benchmarks gpu --steps "$1" "${small[@]}"
  fi
}

status=0 end=$((SECONDS + seconds))
while read -r step least most goal; do
  [[ -n $step ]] || continue
  if ((${#chosen[@]})) && [[ " ${chosen[*]} " != *" $step "* ]]; then continue; fi
  left=$((end - SECONDS))
  echo
  echo "== $step; goal: ${goal//_/ }"
  if ((left < least)); then
    echo "skipped: $left s are left, it needs at least $least"
    continue
  fi
  most=$((most * pace))
  limit=$((left < most ? left : most)) started=$SECONDS
  run_step "$step" "$limit" < /dev/null
  code=$?
  ((code == 5)) && [[ $step == tests ]] && code=0 # pytest found no such test
  case $code in
    0) echo "passed in $((SECONDS - started)) s" ;;
    124) echo "NOT DONE within $limit s"; status=1 ;;
    *) echo "FAILED or a goal was missed (exit code $code)"; status=1 ;;
  esac
done <<< "$STEPS"
exit $status
