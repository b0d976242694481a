"""Video streams as messages for bags."""

from __future__ import annotations

import numpy as np
from helpers.source_files import SECOND, Sent, header, types

from benchmarks.robustness.video_streams import HEIGHT, WIDTH, Packet


def sent_ffmpeg(
    packets: list[Packet],
    encoding: str = 'libx264',
    *,
    first_ns: int = SECOND,
    keep_ns: bool = True,
) -> list[Sent]:
    """Messages for a bag, ten a second; the stamp is that of the packet's own picture."""
    kind = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'
    return [
        Sent(
            '/camera/image/ffmpeg',
            kind,
            first_ns + number * SECOND // 10,
            types(kind)(
                header=header(stamp_of(each, first_ns) if keep_ns else 0, 'camera'),
                width=WIDTH,
                height=HEIGHT,
                encoding=encoding,
                pts=each.pts,
                flags=int(each.is_key),
                is_bigendian=False,
                data=np.frombuffer(each.data, np.uint8),
            ),
        )
        for number, each in enumerate(packets)
    ]


def sent_foxglove(packets: list[Packet], described: str = 'h264') -> list[Sent]:
    """Messages for a bag, as Foxglove has them; see `sent_ffmpeg`."""
    kind = 'foxglove_msgs/msg/CompressedVideo'
    return [
        Sent(
            '/camera/video',
            kind,
            SECOND + number * SECOND // 10,
            types(kind)(
                timestamp=header(stamp_of(each)).stamp,
                frame_id='camera',
                data=np.frombuffer(each.data, np.uint8),
                format=described,
            ),
        )
        for number, each in enumerate(packets)
    ]


def stamp_of(packet: Packet, first_ns: int = SECOND) -> int:
    """Stamp in nanoseconds of the picture of a packet."""
    return first_ns + packet.pts * SECOND // 10
