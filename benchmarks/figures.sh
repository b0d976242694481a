#!/usr/bin/env bash
# Measures again what the documentation says of fol_tiny and fol_small, when weights have changed.
#
#     . .venv/bin/activate && . install/setup.bash
#     FOL_VPR_SHARED=DIR benchmarks/figures.sh [TOPIC ...]
#
# Each topic writes build/figures/HASH/TOPIC.txt, in which every command stands above what it
# printed. HASH is the beginning of the SHA-256 of the weights of fol_tiny, so that other weights get
# another folder; the file of the topic fol_small has that of fol_small in its name. Pictures are in
# build/figures/HASH/pictures, under the names of docs/pictures.
#
# Without a TOPIC all are measured, those that matter most first. A topic whose file is there is
# skipped: the same command goes on where it was cut off. A topic that fails leaves TOPIC.failed,
# and the next one begins; the exit code is then 1. DRAW=1 draws the towns and drives, which needs
# no weights, and ends. Topics that need FOL_VPR_SHARED are left out where it is not set, and
# pictures of pages where there is no Chromium; both are named.
set -euo pipefail
[[ -z ${FOL_VPR_SHARED:-} ]] || FOL_VPR_SHARED=$(realpath "$FOL_VPR_SHARED")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Topic, minutes of processor time (estimated). benchmarks/results/README.md says who quotes it.
TOPICS=(
  demo 5
  recall 3
  small_network 4
  fol_small 14
  pictures 3
  first_map 6
  desk 7
  towns 6
  decisions 16
  loop_closures 8
  darkness 2
  compare 2
  example 5
  pose_graph 18
  codecs 8
  geometry 14
)
REAL=' recall fol_small towns darkness loop_closures pose_graph desk compare codecs '
data=${FOL_VPR_SHARED:+$FOL_VPR_SHARED/data}
export TOWN=${TOWN:-build/figures/towns} GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000}
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
# Nodes of others are not heard.
export ROS_DOMAIN_ID=${ROS_DOMAIN_ID:-$((1 + $$ % 100))} ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST

run() { # COMMAND ...: the command, and what it prints
  printf '\n$'
  printf ' %q' "$@"
  printf '\n'
  "$@"
}

drive() { # OUTPUT OPTION ...: a drive, unless it is there
  [[ -e $1/metadata.yaml ]] || run python -m training town drive --output "$@"
}

# ---- what is drawn once, for any weights

draw_demo() {
  run make build/town/{day,evening,overcast}/metadata.yaml
}

draw_towns() {
  local size=(--size 256x192 --workers 2 --towns 1 --places 80 --views 3)
  [[ -e $TOWN/val/town.json ]] || run python -m training town places --output "$TOWN/val" \
    --seed 9001 --indoor 0.45 "${size[@]}" --conditions day overcast morning evening autumn \
    --strength 0.35
  [[ -e $TOWN/hardval/town.json ]] || run python -m training town places --output "$TOWN/hardval" \
    --seed 9101 --indoor 0.4 "${size[@]}" --conditions day overcast evening winter dusk night \
    night rain snow --strength 0.6
}

draw_nights() {
  run python -m benchmarks small_network --draw
}

draw_town7() {
  town() { drive "build/town7/$1" --seed 7 "${@:2}"; }
  town day --drive 1 --condition day
  town evening --drive 2 --condition evening --lateral 0.7 --heading 4
  town overcast --rate 2 --drive 3 --condition overcast --lateral -0.5 --heading -3
  town rain --rate 2 --drive 4 --condition rain --lateral 0.3 --heading 2
  town noon --rate 2 --drive 5 --condition day --lateral -0.3 --heading -2
  town dusk --rate 2 --drive 6 --condition evening --lateral -0.4 --heading 3
  town grey --rate 2 --drive 7 --condition overcast --lateral 0.4 --heading 0
}

draw_loop() {
  drive build/town/loop --seed 7 --duration 100
}

# ---- topics

topic_demo() {
  run make demo
  run fol_vpr map info demo/map.folmap
  cp demo/report.html demo/report.json demo/queries.csv "$folder/"
  cp demo/answers.png "$pictures/demo.png"
  cp demo/reliability.png "$pictures/reliability.png"
  page demo/report.html "$pictures/report.png" 1280 1130
}

topic_recall() {
  local set references queries map
  for set in gardens_point/day_right/day_left corridor/ref/query; do
    IFS=/ read -r set references queries <<< "$set"
    for map in fine/spatial float16/match_count; do
      run fol_vpr map build --images "$data/$set/$references" --output "$scratch/$set.folmap" \
        --codec "${map%/*}" --overwrite --quiet
      run fol_vpr evaluate --map "$scratch/$set.folmap" --queries "$data/$set/$queries" \
        --ground-truth "$data/$set/ground_truth.csv" --rerank-score "${map#*/}"
    done
  done
}

topic_towns() {
  draw_towns
  run python -m training validate --weights fol_tiny --config training/configs/measure.yaml
}

topic_fol_small() {
  draw_demo
  draw_nights
  run python -m benchmarks small_network --weights fol_tiny fol_small
  run python -m benchmarks network --weights fol_tiny fol_small
  for weights in fol_tiny fol_small; do
    run python -m benchmarks runtimes --weights "$weights" --turns 3 --images 20 \
      --precision auto --threads 0
  done
}

topic_small_network() {
  draw_demo
  draw_nights
  run python -m benchmarks small_network --sets night_towns town_13 desk
}

topic_darkness() {
  draw_towns
  run python -m benchmarks dark_queries
}

topic_decisions() {
  draw_town7
  run python -m benchmarks localization \
    --town build/town7/{day,evening,overcast,rain,noon,dusk,grey}
}

topic_loop_closures() {
  run python -m benchmarks loop_closures --threads 1
}

topic_pose_graph() {
  # Another drive than that of the example, which has the name that the benchmark takes by itself.
  run python -m benchmarks pose_graph --closures pipeline --town build/figures/rounds
}

topic_example() {
  local each
  draw_demo
  draw_loop
  for each in loop day evening; do
    run python -m examples.pose_graph "build/town/$each" --truth /ground_truth --compare
  done
}

topic_codecs() {
  draw_towns
  run python -m benchmarks codecs --codecs fine float16 compact tiny \
    --places "$TOWN"/{val,hardval}/places ||
    # It ends with 1 where a row recalls less than the similarities, which is a result here, too.
    [[ $? == 1 ]]
  run python -m benchmarks codecs --codecs fine --rerank 100
}

topic_geometry() {
  local town
  for town in 7 11 13 17 23; do
    drive "build/figures/drives/$town/day" --seed $town --drive 1 --condition day --duration 40
    drive "build/figures/drives/$town/evening" --seed $town --drive 2 --condition evening \
      --duration 40 --lateral 0.5 --heading 3
    run python -m benchmarks geometry --map "build/figures/drives/$town/day" \
      --queries "build/figures/drives/$town/evening" --every 2
  done
}

# Tutorials: in a folder with the names that the reader has, so that outputs can be copied.
topic_first_map() {
  local town=$PWD/build/town
  local right=(--pose-topic /ground_truth --positive-radius 5 --positive-angle 40)
  local evening=(--map site.folmap --queries evening --image-topic /camera/image/compressed)
  draw_demo
  python -m benchmarks.pictures frame build/town/evening 72 "$scratch/photo.png"
  cd "$scratch"
  ln -sfn "$town/day" day && ln -sfn "$town/overcast" overcast && ln -sfn "$town/evening" evening
  rm -rf answers
  run fol_vpr map build --bag day --image-topic /camera/image/compressed \
    --pose-topic /ground_truth --output site.folmap --overwrite
  run fol_vpr query photo.png --map site.folmap --picture ranking.png
  run fol_vpr query photo.png --map site.folmap --rerank 0
  echo; echo 'Without a calibration:'
  run fol_vpr evaluate "${evening[@]}" "${right[@]}" --odom-topic /odom --sequence
  run fol_vpr calibrate --map site.folmap --bag overcast --odom-topic /odom "${right[@]}"
  run fol_vpr evaluate "${evening[@]}" "${right[@]}" --odom-topic /odom --sequence
  echo; echo 'The node, with the bag at its own speed:'
  trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
  # With the clock of the bag, or the node would warn of old stamps in the picture.
  "$localizer" --ros-args -p map:=site.folmap -p autostart:=true -p use_sim_time:=true \
    -p 'camera_mount:=[0.2, 0.0, 1.3, -0.5, 0.5, -0.5, 0.5]' -r odom:=/odom \
    -r image/compressed:=/camera/image/compressed -r camera_info:=/camera/camera_info &
  local node=$!
  fol_vpr bag record /localizer/places --output answers --idle 10 --wait-for 180 &
  local recorder=$!
  fol_vpr watch --duration 40 --picture watch.svg > watch.txt &
  local watch=$!
  run fol_vpr bag play evening --topics /camera/image/compressed /camera/camera_info /odom \
    --clock 10 --wait-for 180
  wait $recorder || true
  wait $watch || true
  kill $node && wait $node || true
  run fol_vpr evaluate "${evening[@]}" "${right[@]}" --recording answers
  python -m benchmarks.pictures scale ranking.png "$pictures/ranking.jpg"
  cp watch.svg "$pictures/"
}

topic_desk() {
  local camera=(--pose-topic /pose --poses-of camera --camera tum.yaml
    --camera-mount 0 0 0 0 0 0 1)
  local room=(--keyframe-interval 0 --keyframe-similarity 1 --exclude-time 5 --exclude-keyframes 0
    --min-information-gain-bits 0)
  cd "$scratch"
  ln -sfn "$data/tum_fr1_desk/rgb" rgb
  cut -d , -f 2,3 "$data/tum_fr1_desk/frames.csv" | sed 's#,rgb/#,#' > frames.csv
  cat > tum.yaml <<'YAML'
image_width: 640
image_height: 480
camera_name: tum_fr1
camera_matrix:
  data: [517.306408, 0, 318.643040, 0, 516.469215, 255.313989, 0, 0, 1]
distortion_model: plumb_bob
distortion_coefficients:
  data: [0.262383, -0.953104, -0.005358, 0.002628, 1.163314]
YAML
  run fol_vpr bag from-images rgb --stamps frames.csv \
    --poses "$data/tum_fr1_desk/groundtruth.txt" --output desk --overwrite
  run fol_vpr loops --bag desk "${camera[@]}" --loop-distance 0.3 --output closures.csv
  run fol_vpr loops --bag desk "${camera[@]}" "${room[@]}" --loop-distance 0.3 \
    --output closures.csv --picture closures.png --report closures.html
  run fol_vpr loops --bag desk "${camera[@]}" "${room[@]}" --loop-distance 0.6 --output within.csv
  run head -n 30 closures.csv
  run fol_vpr map build --bag desk --pose-topic /pose --scale room --to 10 --output desk.folmap \
    --overwrite
  run fol_vpr calibrate --map desk.folmap --bag desk --pose-topic /pose --from 10 --to 15
  local last=(--map desk.folmap --queries desk --pose-topic /pose --from 15 --sequence)
  run fol_vpr evaluate "${last[@]}"
  run fol_vpr evaluate "${last[@]}" --probability 0.8
  run fol_vpr query rgb/1305031469.395695.jpg --map desk.folmap
  python -m benchmarks.pictures scale closures.png "$pictures/desk_closures.jpg" --width 1430
}

topic_compare() {
  local number east walk=$data/gardens_point
  cd "$scratch"
  rm -rf database queries && mkdir database queries
  for number in {000..199}; do
    east=$(printf '%.2f' $((500000 + 10 * 10#$number)))
    ln -s "$walk/day_right/Image$number.jpg" "database/@$east@4000000.00@d$number@.jpg"
    ((10#$number % 2)) || ln -s "$walk/day_left/Image$number.jpg" \
      "queries/@$east@4000000.00@q$number@.jpg"
  done
  run fol_vpr map build --images database --output gardens.folmap --overwrite --quiet
  run fol_vpr evaluate --map gardens.folmap --queries queries --rerank 0 --json rerank0.json
  run fol_vpr evaluate --map gardens.folmap --queries queries --rerank 10 --json rerank10.json
  run fol_vpr compare rerank0.json rerank10.json --output compare.html
  page compare.html "$pictures/compare.png" 1280 1180
}

topic_pictures() {
  [[ -e $folder/demo.txt ]] || { echo 'first the topic demo, which makes the map'; return 1; }
  local evening=$scratch/evening image=$scratch/evening/images/000016.jpg
  run fol_vpr map build --bag build/town/evening --output "$evening.folmap" --overwrite --quiet
  rm -rf "$evening"
  run fol_vpr map export "$evening.folmap" --output "$evening"
  run fol_vpr query "$image" --map demo/map.folmap --picture "$scratch/query.png"
  run fol_vpr explain "$image" --input-size 322 --picture "$scratch/explain.png"
  python -m benchmarks.pictures scale "$scratch/query.png" "$pictures/query.jpg"
  python -m benchmarks.pictures scale "$scratch/explain.png" "$pictures/explain.jpg"
  run python -m benchmarks.pictures pair demo/map.folmap build/town/evening 72 "$pictures"
  run fol_vpr map show demo/map.folmap --output "$scratch/map.html"
  page "$scratch/map.html" "$pictures/map_plan.png" 1180 1210
  run fol_vpr map build --bag build/town/day --pose-topic /ground_truth \
    --scale street --output "$scratch/day.folmap" --overwrite --quiet
  run fol_vpr map build --bag build/town/evening --pose-topic /ground_truth \
    --scale street --output "$scratch/dusk.folmap" --overwrite --quiet
  run fol_vpr map merge "$scratch/day.folmap" "$scratch/dusk.folmap" \
    --output "$scratch/two.folmap" --overwrite
  run fol_vpr map show "$scratch/two.folmap" --output "$scratch/two.html"
  page "$scratch/two.html" "$pictures/map_page.png" 1180 1210
}

page() { # PAGE PICTURE WIDTH HEIGHT: the upper part of a page as a picture
  local browser profile=${pictures%/*}/scratch/profile
  browser=$(type -P chromium || type -P chromium-browser) || {
    echo "there is no chromium on the PATH: ${2##*/} is left out"
    return 0
  }
  "$browser" --headless=new --no-sandbox --disable-gpu --hide-scrollbars \
    --user-data-dir="$profile" --host-resolver-rules='MAP * ~NOTFOUND' \
    --virtual-time-budget=60000 --window-size="$3,$4" --screenshot="$2" "file://$(realpath "$1")" \
    2> "$profile.log"
}

# ---- one topic after the other

if [[ -n ${DRAW:-} ]]; then
  draw_demo; draw_nights; draw_towns; draw_town7; draw_loop
  exit
fi
read -r digest small < <(python -c 'from fol_vpr.network.weights.registry import load
print(load("fol_tiny")[1].sha256, load("fol_small")[1].sha256)')
folder=build/figures/${digest:0:8}
pictures=$PWD/$folder/pictures localizer=$PWD/install/fol_vpr/lib/fol_vpr/localizer
mkdir -p "$pictures"
status=0
for ((each = 0; each < ${#TOPICS[@]}; each += 2)); do
  topic=${TOPICS[each]}
  if (($#)) && [[ " $* " != *" $topic "* ]]; then continue; fi
  result=$topic
  [[ $topic != fol_small ]] || result+=-${small:0:8}
  if [[ -e $folder/$result.txt ]]; then echo "$topic: is there"; continue; fi
  if [[ -z $data && $REAL == *" $topic "* ]]; then
    echo "$topic: left out, as FOL_VPR_SHARED is not set"
    continue
  fi
  echo "$topic: about ${TOPICS[each + 1]} minutes of processor time"
  scratch=$folder/scratch/$topic started=$SECONDS
  mkdir -p "$scratch"
  # A subshell that no `if` and no `||` surrounds: in those, bash ignores set -e.
  set +e
  (
    set -e
    echo "fol_tiny $digest, fol_small $small"
    echo "$(date -u '+%Y-%m-%d %H:%M UTC'), commit $(git rev-parse --short HEAD), $(getconf \
      _NPROCESSORS_ONLN) cores, load $(cut -d ' ' -f 1 /proc/loadavg)"
    "topic_$topic"
  ) < /dev/null > "$folder/$topic.failed" 2>&1
  code=$?
  set -e
  if ((code)); then
    echo "$topic: FAILED (exit code $code), see $folder/$topic.failed"
    status=1
  else
    mv "$folder/$topic.failed" "$folder/$result.txt"
    echo "$topic: $((SECONDS - started)) s"
  fi
done
exit $status
