"""Finds lost packets of an H.264 stream by the counter `frame_num` in its slice headers.

FFmpeg's decoder goes on after a lost packet: it gives out pictures with wrong pixels and flags
none of them. H.264 numbers its reference pictures, so that a gap tells that one is missing.
Syntax by ITU-T H.264, clauses 7.3.2.1.1 (sequence parameter set) and 7.3.3 (slice header).
"""

from __future__ import annotations

from typing import NamedTuple

IDR, SLICE, PARAMETERS = 5, 1, 7
_HEADER_BYTES = 24
"""Of a slice, more than frame_num and what comes before it can take."""
_WITH_CHROMA = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
"""Profiles whose parameter sets tell the chroma format and scaling lists."""


class _Sequence(NamedTuple):
    """What a sequence parameter set says about frame_num."""

    bits: int
    has_planes: bool
    gaps_allowed: bool


class FrameCounter:
    """Follows frame_num from packet to packet."""

    def __init__(self) -> None:
        self._sequence: _Sequence | None = None
        self._reference: int | None = None

    def is_gap(self, data: bytes) -> bool:
        """Whether a reference picture is missing between the last packet and this one."""
        for unit in nal_units(data):
            kind, is_reference = unit[0] & 31, bool(unit[0] & 0x60)
            if kind == PARAMETERS:
                self._sequence = _sequence(unit) or self._sequence
            elif kind in (SLICE, IDR):
                return self._follows(unit, kind, is_reference)
        return False

    def _follows(self, unit: bytes, kind: int, is_reference: bool) -> bool:
        sequence, last = self._sequence, self._reference
        if sequence is None:
            return False
        try:
            number = _frame_num(unit, sequence)
        except IndexError:
            return False
        if is_reference or kind == IDR:
            self._reference = number
        if kind == IDR or last is None or sequence.gaps_allowed:
            return False
        # The second field of a picture has the number of the first.
        return number not in (last, (last + 1) % 2**sequence.bits)


def nal_units(data: bytes) -> list[bytes]:
    """The units of a stream in Annex B format, without start codes; slices are cut short."""
    units = []
    start = data.find(b'\0\0\1')
    while start >= 0:
        end = data.find(b'\0\0\1', start + 3)
        unit = data[start + 3 : end if end >= 0 else len(data)]
        if unit:
            units.append(unit)
        start = end
    return units


class _Bits:
    """Reads bits and Exp-Golomb numbers; raises IndexError at the end."""

    def __init__(self, data: bytes) -> None:
        # Bytes of 3 keep the payload from looking like a start code.
        self._data = data.replace(b'\0\0\3', b'\0\0')
        self._at = 0

    def read(self, count: int) -> int:
        value = 0
        for _ in range(count):
            byte = self._data[self._at // 8]
            value = value << 1 | byte >> (7 - self._at % 8) & 1
            self._at += 1
        return value

    def golomb(self) -> int:
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise IndexError('no Exp-Golomb number')
        return (1 << zeros) - 1 + self.read(zeros)


def _sequence(unit: bytes) -> _Sequence | None:
    try:
        bits = _Bits(unit[1:256])
        profile = bits.read(8)
        bits.read(16)
        bits.golomb()  # seq_parameter_set_id
        has_planes = False
        if profile in _WITH_CHROMA:
            if bits.golomb() == 3:  # chroma_format_idc
                has_planes = bool(bits.read(1))
                lists = 12
            else:
                lists = 8
            bits.golomb()  # bit depths
            bits.golomb()
            bits.read(1)
            if bits.read(1):
                _skip_scaling_lists(bits, lists)
        number = bits.golomb() + 4
        order = bits.golomb()  # pic_order_cnt_type
        if order == 0:
            bits.golomb()
        elif order == 1:
            bits.read(1)
            bits.golomb()
            bits.golomb()
            for _ in range(bits.golomb()):
                bits.golomb()
        bits.golomb()  # max_num_ref_frames
        return _Sequence(number, has_planes, bool(bits.read(1)))
    except IndexError:
        return None


def _skip_scaling_lists(bits: _Bits, count: int) -> None:
    for index in range(count):
        if not bits.read(1):
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                code = bits.golomb()
                delta = (code + 1) // 2 if code % 2 else -(code // 2)
                following = (last + delta) % 256
            last = following or last


def _frame_num(unit: bytes, sequence: _Sequence) -> int:
    bits = _Bits(unit[1 : 1 + _HEADER_BYTES])
    for _ in range(3):  # first_mb_in_slice, slice_type, pic_parameter_set_id
        bits.golomb()
    if sequence.has_planes:
        bits.read(2)
    return bits.read(sequence.bits)
