"""
The commands. Without one, the exporter serves metrics.
"""

import sys

# structlog imports rich where that is installed, for tracebacks in colour: 3 MB and 60 modules that
# serving can do without. Commands that print tables import it later.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
import structlog  # noqa: F401, E402

if sys.modules["rich"] is None:
    del sys.modules["rich"]

from exporter.cli.main import main  # noqa: E402

__all__ = ["main"]
