"""
The output of `fix`: keepalive settings in the format of each target, with instructions.
"""

from exporter.remedies.render import TARGETS, remedy
from exporter.remedies.validate import problems

__all__ = ["TARGETS", "problems", "remedy"]
