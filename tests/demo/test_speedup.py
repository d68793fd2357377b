"""
The demo uses the project's rules, accelerated.
"""

import yaml

from tests.alerts.rules import FILES
from tests.demo.monitoring import accelerated


def test_only_durations_of_alerts_are_shortened() -> None:
    """
    With the original durations restored, the rules equal the files.
    """
    for file in FILES:
        text = file.read_text()
        fast = yaml.safe_load(accelerated(text, 100))
        for group in fast["groups"]:
            for rule in group["rules"]:
                for key in {"for", "keep_firing_for"} & rule.keys():
                    rule[key] = {"36s": "60m", "9s": "15m", "3s": "5m"}[rule[key]]
        assert fast == yaml.safe_load(text)
