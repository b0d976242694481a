#!/bin/bash
# Trains fol_tiny for hours or days beside other work, and goes on where it was cut off.
#
#     REAL=DIR FOL_VPR_SHARED=DIR nohup training/days.sh FOLDER [SETTING=VALUE ...] >> days.log 2>&1 &
#
# FOLDER gets town/, what is drawn first (about a quarter of an hour on two idle cores), and run/, the
# run: run/best.safetensors has the best recall on the validation sets so far, run/metrics.csv all
# values.
# The same command goes on with both; SIGTERM, SIGKILL and a machine that is gone cost the minutes
# since the last checkpoint. DRAW=1 draws the towns and no more. PLACES is the number of places in
# each town, 100 where it is not set. REAL has the photographs that `python -m training photographs`
# writes.
set -euo pipefail
folder=${1:?usage: training/days.sh FOLDER [SETTING=VALUE ...]}
shift
[ -n "${DRAW:-}" ] || : "${REAL:?is not set: the folder that python -m training photographs wrote}"
export TOWN=$folder/town
# Memory in large pages, of which the first steps touch fewer.
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}
mkdir -p "$TOWN"

drawn() { # FOLDER OPTION ...: whether it is there, with depth where that is asked for
    [ -e "$1/town.json" ] || return
    [[ " $* " != *' --depth '* ]] || grep -q '"depth": true' "$1/town.json"
}

draw() { # NAME SEED TOWNS PLACES VIEWS INDOOR OPTION ...
    local output=$TOWN/$1 seed=$2 towns=$3 places=$4 views=$5 indoor=$6
    shift 6
    drawn "$output" "$@" && return
    rm -rf "$output"
    nice -n 19 python -m training town places --output "$output" --seed "$seed" --towns "$towns" \
        --places "$places" --views "$views" --indoor "$indoor" --size 256x192 --workers 2 "$@"
}

vary() { # STRENGTH
    echo --vary --strength "$1" --in-turn --conditions
}

places=${PLACES:-100}
# Validated on, never learned from: by day; in all weathers; day against night.
draw val 9001 1 60 3 0.45 $(vary 0.35) day overcast evening
draw hardval 9101 1 60 3 0.4 $(vary 0.6) winter day rain
draw nightval 9201 1 60 3 0 $(vary 0.6) 'night,exposure=-0.6' day 'driven night,exposure=-0.6'
# Learned from, with depth (a town that was drawn without it is drawn again): three views by day and
# three at night of each place.
for town in 1 3; do
    draw days/mild_$town $((200 + town)) 2 "$places" 6 0.4 --depth $(vary 0.5) \
        day night overcast 'driven night' evening 'night,exposure=-0.8'
    draw days/hard_$town $((300 + town)) 2 "$places" 6 0.35 --depth $(vary 0.7) \
        autumn 'wet night' winter 'driven night,exposure=-0.8' morning 'night,exposure=-1.5'
done
# And five views of each place as they come, by day and in all weathers.
draw earlier/mild 1 6 "$((places * 6 / 5))" 5 0.45 --depth --conditions day overcast morning evening autumn
draw earlier/hard 101 6 "$((places * 6 / 5))" 5 0.4 --depth \
    --conditions day overcast evening winter dusk night night rain snow
[ -n "${DRAW:-}" ] && exit

exec nice -n 19 python -m training fit --config training/configs/fol_tiny_days.yaml --resume \
    --set run.output="$folder/run" "$@"
