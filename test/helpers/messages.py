"""ROS messages for tests."""

from __future__ import annotations

from helpers import scenes
from sensor_msgs.msg import Image


def picture(
    place: int = 1, stamp: int | None = None, *, shift: int = 4, frame_id: str = 'camera'
) -> Image:
    """A view of a place of `scenes`, by default a little to the right of that in small maps.

    Args:
        place: number of the place.
        stamp: in seconds; 100 + place if None.
        shift: pixels to the right.
        frame_id: of the camera.
    """
    message = Image(height=scenes.HEIGHT, width=scenes.WIDTH, encoding='rgb8')
    message.step = 3 * scenes.WIDTH
    message.data = scenes.view(place, shift).tobytes()
    message.header.stamp.sec = 100 + place if stamp is None else stamp
    message.header.frame_id = frame_id
    return message


def covered_picture(stamp: int) -> Image:
    """A black image, as of a covered camera."""
    message = picture(0, stamp)
    message.data = bytes(len(message.data))
    return message
