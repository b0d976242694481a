"""Classes of what topics carry, by the names that the graph gives."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fol_vpr.errors import FolVprError
from fol_vpr.ros.watching.types import _own_hash, interface_class, is_foreign


def test_messages_and_the_topics_of_services_are_found():
    from rcl_interfaces.srv import GetParameters
    from sensor_msgs.msg import Image

    assert interface_class('sensor_msgs/msg/Image') is Image
    assert interface_class('rcl_interfaces/srv/GetParameters_Event') is GetParameters.Event


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('nobody_has_msgs/msg/Scan', 'install it .*nobody-has-msgs.*source its workspace'),
        ('sensor_msgs/msg/Hologram', 'has no type sensor_msgs/msg/Hologram.*another version'),
    ],
)
def test_what_is_not_installed_is_said_with_the_remedy(name, text):
    with pytest.raises(FolVprError, match=text):
        interface_class(name)


def test_another_definition_of_the_same_name_is_told_by_its_hash():
    name = 'fol_vpr_msgs/msg/PlaceHypothesisArray'
    ours = _own_hash(name)
    assert ours.startswith('RIHS01_')

    def endpoint(text: str, kind: str = name) -> SimpleNamespace:
        return SimpleNamespace(topic_type=kind, topic_type_hash=text)

    assert not is_foreign(endpoint(ours))
    assert is_foreign(endpoint(ours[:-1] + ('0' if ours[-1] != '0' else '1')))
    # Middlewares that tell no hash, and types that are not installed, cannot be judged.
    assert not is_foreign(endpoint('INVALID'))
    assert not is_foreign(endpoint(ours, 'nobody_has_msgs/msg/Scan'))
