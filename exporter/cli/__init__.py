"""
The commands. Without one, the exporter serves metrics.
"""

import sys

# structlog imports these where they are installed, for tracebacks in colour and threads of another
# kind: 4 MB that serving can do without. Commands that print tables import rich later.
_OPTIONAL = ("greenlet", "rich")
for _name in _OPTIONAL:
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]
import structlog  # noqa: F401, E402

for _name in _OPTIONAL:
    if sys.modules[_name] is None:
        del sys.modules[_name]

from exporter.cli.main import main  # noqa: E402

__all__ = ["main"]
