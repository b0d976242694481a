"""How the C library keeps memory that a training step gives back."""

from __future__ import annotations

import ctypes

# Of <malloc.h>: from which size of free memory on it goes back to the system, and how many blocks
# may be mapped one by one, which go back at once.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def keep_memory() -> bool:
    """Let freed memory stay with the process, where the C library is glibc.

    Each step allocates and frees gigabytes in blocks of tens of megabytes. By default the system
    gets each block back, and clears its pages when the next step touches them: a fifth of the
    processor time of a step.

    Returns:
        Whether the C library took it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, _NEVER) and mallopt(_M_MMAP_MAX, 0))
