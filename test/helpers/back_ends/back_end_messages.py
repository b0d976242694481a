"""Fields of the messages of other back-ends that the bridges exchange, and packages of them.

As they are in introlab/rtabmap_ros aec4f91 (branch ros2), MIT-SPARK/pose_graph_tools b878bf5
(branch feature/ros2) and lajoiepy/cslam_interfaces 0e6bb91.
"""

from __future__ import annotations

import pytest
from helpers.back_ends.message_packages import (
    MessagePackage,
    build_package,
    installed,
    missing_generators,
)

RTABMAP = {
    'msg/Link.msg': """
int32 from_id
int32 to_id
int32 type
geometry_msgs/Transform transform
float64[36] information
""",
    'msg/MapGraph.msg': """
std_msgs/Header header
geometry_msgs/Transform map_to_odom
int32[] poses_id
geometry_msgs/Pose[] poses
Link[] links
""",
    'msg/Info.msg': """
std_msgs/Header header
int32 ref_id
int32 loop_closure_id
int32 proximity_detection_id
int32 landmark_id
geometry_msgs/Transform loop_closure_transform
int32[] wm_state
int32[] posterior_keys
float32[] posterior_values
int32[] likelihood_keys
float32[] likelihood_values
int32[] raw_likelihood_keys
float32[] raw_likelihood_values
int32[] weights_keys
int32[] weights_values
int32[] labels_keys
string[] labels_values
string[] stats_keys
float32[] stats_values
int32[] local_path
int32 current_goal_id
MapGraph odom_cache
""",
    'srv/AddLink.srv': """
Link link
---
""",
}
POSE_GRAPH_TOOLS = {
    'msg/PoseGraphEdge.msg': """
std_msgs/Header header
uint64 key_from
uint64 key_to
int32 robot_from
int32 robot_to
int32 type
int32 ODOM=0
int32 LOOPCLOSE=1
int32 LANDMARK=2
int32 REJECTED_LOOPCLOSE=3
int32 MESH=4
int32 POSE_MESH=5
int32 MESH_POSE=6
geometry_msgs/Pose pose
float64[36] covariance
""",
    'msg/PoseGraphNode.msg': """
std_msgs/Header header
int32 robot_id
uint64 key
geometry_msgs/Pose pose
""",
    'msg/PoseGraph.msg': """
std_msgs/Header header
PoseGraphNode[] nodes
PoseGraphEdge[] edges
""",
}
SWARM_SLAM = {
    'msg/KeyframeOdom.msg': """
uint32 id
nav_msgs/Odometry odom
sensor_msgs/NavSatFix gps
""",
    'msg/IntraRobotLoopClosure.msg': """
uint32 keyframe0_id
uint32 keyframe1_id
bool success
geometry_msgs/Transform transform
""",
    'msg/InterRobotLoopClosure.msg': """
uint32 robot0_keyframe_id
uint32 robot0_id
uint32 robot1_keyframe_id
uint32 robot1_id
bool success
geometry_msgs/Transform transform
""",
    'msg/LocalKeyframeMatch.msg': """
uint32 keyframe0_id
uint32 keyframe1_id
""",
}
PACKAGES = {
    'rtabmap_msgs': (RTABMAP, ('geometry_msgs', 'std_msgs')),
    'pose_graph_tools_msgs': (POSE_GRAPH_TOOLS, ('geometry_msgs', 'std_msgs')),
    'cslam_common_interfaces': (SWARM_SLAM, ('geometry_msgs', 'nav_msgs', 'sensor_msgs')),
}


def package_of(name: str) -> MessagePackage:
    """The package, importable in this process from now on: the installed one, or one built here.

    Skips the test where no package can be built.
    """
    if package := installed(name):
        return package
    if reason := missing_generators():
        pytest.skip(reason)
    package = build_package(name, *PACKAGES[name])
    package.load()
    return package
