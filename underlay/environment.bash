# Sourced by underlay/setup and by the recipes of the Makefile: ROS 2 and the virtual environment.
# Another workspace that the caller's shell had sourced is left behind, unless it stands on the
# same ROS 2.
#
# Sets root (the checkout), distro (jazzy, or what FOL_VPR_ROS_DISTRO names), venv, build and
# install (folders, of each distribution its own), and ros (prefix of an installed ROS 2; empty
# where the wheels in the virtual environment take its place).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
distro=${FOL_VPR_ROS_DISTRO:-jazzy}
if [[ $distro == jazzy ]]; then
  suffix=
else
  suffix=-$distro
fi
venv=$root/.venv$suffix
build=$root/build$suffix
install=$root/install$suffix
ros=${ROS_PREFIX:-/opt/ros/$distro}
if [[ ! -f $ros/setup.bash ]]; then
  ros=
fi

if [[ -z $ros || ":${AMENT_PREFIX_PATH:-}:" != *":$ros:"* ]]; then
  if [[ -n ${AMENT_PREFIX_PATH:-} ]]; then
    unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH LD_LIBRARY_PATH
  fi
  unset ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION _ROS_WHEELS_BOOTSTRAP_COMPLETE
  if [[ -n $ros ]]; then
    # shellcheck disable=SC1091
    . "$ros/setup.bash"
  fi
fi

if [[ -f $venv/bin/activate ]]; then
  # shellcheck disable=SC1091
  . "$venv/bin/activate"
fi
if [[ -f $venv/local_setup.bash ]]; then
  # shellcheck disable=SC1091
  . "$venv/local_setup.bash"
fi
