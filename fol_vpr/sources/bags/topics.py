"""Which topic of a bag has the images."""

from __future__ import annotations

from fol_vpr.errors import InputError
from fol_vpr.sources.bags.bag import Bag, Topic

IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')


def choose_image_topic(bag: Bag, name: str | None = None) -> Topic:
    """The image topic of that name, or the only one that has images.

    Raises:
        InputError: none, several to choose from, or one of another type; what is there is listed.
    """
    if name:
        topic = bag.find_topic(name)
        if topic.msgtype not in IMAGE_TYPES:
            raise InputError(
                f'{topic.name} in {bag.path} is of type {topic.msgtype}, expected '
                f'{" or ".join(IMAGE_TYPES)}; such topics there: {bag.list_topics(*IMAGE_TYPES)}'
            )
        if not topic.count:
            raise InputError(f'{topic.name} in {bag.path} has no messages')
        return topic
    topics = [each for each in bag.topics.values() if each.msgtype in IMAGE_TYPES and each.count]
    if not topics:
        raise InputError(
            f'{bag.path} holds no images, expected a topic of type {" or ".join(IMAGE_TYPES)}; '
            f'its topics (type, messages): {bag.list_topics()}'
        )
    if len(topics) > 1:
        raise InputError(
            f'{bag.path} has {len(topics)} image topics, choose one of (type, messages): '
            f'{bag.list_topics(*IMAGE_TYPES)}'
        )
    return topics[0]
