"""
The clock by which readings become too old.
"""

import sys
import time


def since_boot() -> float:
    """
    Seconds since the machine was started, those of a suspension included.

    On Linux the monotonic clock stands still during a suspension, so that an old reading would look
    fresh after it.
    """
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
