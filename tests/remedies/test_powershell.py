"""
The PowerShell script, parsed but not run.
"""

import pytest

from tests.remedies.printed import INTERVAL, TIME, printed
from tests.syntax import every, powershell, words


def test_commands() -> None:
    """
    The script is valid, sets the two times in milliseconds, and does nothing else.
    """
    script = powershell(printed("powershell"))
    values = dict((each.text or b"").decode().split(" = ") for each in every(script, "hash_entry"))
    assert {name.strip(): int(value) for name, value in values.items()} == {
        "KeepAliveTime": TIME * 1000,
        "KeepAliveInterval": INTERVAL * 1000,
    }
    assert words(script, "command_name") == ["New-ItemProperty", "Out-Null", "Write-Output"]
    assert "DWord" in words(script, "generic_token")


@pytest.mark.parametrize("broken", ["{", "}", "'"])
def test_broken_script_is_rejected(broken: str) -> None:
    """
    The parser rejects an incomplete script.
    """
    text = printed("powershell")
    assert broken in text
    with pytest.raises(ValueError, match="cannot be parsed"):
        powershell(text.replace(broken, "", 1) if broken != "'" else text[: text.rindex("'")])
