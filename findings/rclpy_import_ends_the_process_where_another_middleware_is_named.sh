#!/usr/bin/env bash
# rclpy 7.1.6 (ROS 2 Jazzy, wheels of PyPI): where RMW_IMPLEMENTATION names a middleware that is not
# installed, `import rclpy` ends the process.
#
# Expected by most: ImportError, or an exception of rclpy.init, which a program that works without ROS
# too can catch (`try: import rclpy ... except ImportError`).
# Seen: no exception. A constructor of the library rcl compares the names when it is loaded, and calls
# exit(102). `finally` and `except` are not run, buffered output is lost, and atexit functions of Python
# are not called. In a shell that exports RMW_IMPLEMENTATION=rmw_cyclonedds_cpp for other programs, a
# tool that only probes for ROS ends before its first line. The remedy is a probe in a process of its
# own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check 'ros-jazzy-rclpy[fastrtps]==7.1.6'
cat >"$folder/probe.py" <<'PY'
import atexit

atexit.register(lambda: print('atexit', flush=True))
print('begins')
try:
    import rclpy
except BaseException as error:
    print('caught', type(error).__name__)
finally:
    print('finally')
PY
code=0
env -u RMW_IMPLEMENTATION "$folder/venv/bin/python" "$folder/probe.py" >"$folder/usual"
RMW_IMPLEMENTATION=rmw_cyclonedds_cpp "$folder/venv/bin/python" "$folder/probe.py" \
    >"$folder/other" 2>"$folder/said" || code=$?
echo "usual: $(tr '\n' ' ' <"$folder/usual")"
echo "with rmw_cyclonedds_cpp: exit code $code, '$(tr '\n' ' ' <"$folder/other")'"
tail -n 2 "$folder/said"
grep -q finally "$folder/usual"
[[ $code == 102 ]]
[[ ! -s $folder/other ]]
