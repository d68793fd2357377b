"""
The connections that hang, and what became of them, as a JSON document described in docs/reset.md.
"""

from typing import Any

from exporter.cli.reset_table import notes
from exporter.connections import to_json
from exporter.protect.hanging import HangingListing
from exporter.protect.recheck import ResetOutcome
from exporter.text.json_envelope import envelope


def document(found: HangingListing, *, applied: bool) -> dict[str, Any]:
    """
    JSON-serializable values. Each connection has the keys that `connections` has, and three more.
    """
    rows = to_json.document(found.listing)["connections"]
    body = {
        "applied": applied,
        "connections_by_outcome": {str(each): found.outcomes[each] for each in ResetOutcome},
        "connections": [
            {
                **row,
                "hanging_seconds": round(each.hanging, 3),
                "outcome": str(each.outcome),
                "error": each.error,
            }
            for row, each in zip(rows, found.connections, strict=True)
        ],
        "notes": notes(found, applied=applied),
    }
    return envelope("reset", found.listing.timestamp, body)
