"""
Stops a running sampler.
"""

import asyncio
import threading


async def stop(task: asyncio.Task[None]) -> None:
    """
    Cancel a sampler's task, and wait for its last sample.

    The sample must not outlive the fixtures of a test: it would read the real kernel.
    """
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for thread in threading.enumerate():
        if thread.name.startswith("sampler"):
            await asyncio.to_thread(thread.join)
