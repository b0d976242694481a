#!/usr/bin/env bash
# Runs a command of the container where ROS 2 and fol_vpr are known.
set -e
# shellcheck source=/dev/null
. /opt/fol_vpr/install/setup.bash
exec "$@"
