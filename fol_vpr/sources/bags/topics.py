"""Chooses the image topic of a bag."""

from __future__ import annotations

from fol_vpr.errors import InputError
from fol_vpr.sources.bags.bag import Bag, Topic
from fol_vpr.sources.images.video.packets import VIDEO_DEFINITIONS

IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage', *VIDEO_DEFINITIONS)


def choose_image_topic(bag: Bag, name: str | None = None) -> Topic:
    """The image topic of a bag.

    Args:
        bag: the bag.
        name: of the topic; None or empty takes the only image topic that has messages.

    Raises:
        InputError: no such topic, one of another type or without messages, or several to choose
            from; the message lists the topics of the bag.
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
