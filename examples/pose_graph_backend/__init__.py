"""A SLAM back-end that consumes loop closures: odometry and closures in, a corrected path out.

`pose_graph` is the core and knows no ROS; `node` puts it on topics. See README.md.
"""
