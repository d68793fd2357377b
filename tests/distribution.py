"""
Pytest plugin: how pytest-xdist distributes the tests among its workers.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Modules that take long first: they would otherwise be waited for at the end.
    """
    long = {
        item.path
        for item in items
        if item.get_closest_marker("privileged") or item.get_closest_marker("slow")
    }
    items.sort(key=lambda item: item.path not in long)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """
    One worker runs all tests of a module, which share servers and labs; modules keep their order.
    """
    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)
