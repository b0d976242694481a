"""The service ~/enable, without the lifecycle of the node."""

from __future__ import annotations

from helpers.bench import bench
from std_srvs.srv import SetBool

from fol_vpr.ros.node.services.enable import EnableService


def test_an_active_node_listens_or_not_and_another_one_later():
    listened: list[bool] = []
    with bench() as made:
        EnableService(made.context, listened.append)

        def enable(wanted: bool) -> str:
            response = made.watch.call(SetBool, 'enable', SetBool.Request(data=wanted))
            assert response.success and made.context.enabled == wanted
            return response.message

        made.state = 'active'
        assert (enable(False), enable(True)) == ('disabled', 'enabled')
        assert listened == [False, True]
        made.state = 'inactive'
        assert enable(False) == 'disabled as soon as the node, now inactive, is active'
        assert listened == [False, True]
