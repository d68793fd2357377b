"""
Logs to standard error, one line per event, as logfmt or JSON.
"""

import logging
import sys

import structlog

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
FORMATS = ("logfmt", "json")


def configure_plain() -> None:
    """
    Log warnings and errors as plain text lines, for commands run interactively.
    """
    structlog.configure(
        processors=[_as_line],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _as_line(
    _: structlog.typing.WrappedLogger, level: str, event: structlog.typing.EventDict
) -> str:
    name, reason = event.pop("event"), event.pop("error")
    event.pop("exc_info", None)
    details = ", ".join(f"{key} {value}" for key, value in event.items())
    return f"{level.capitalize()}: {name} ({details}): {reason}"


def configure(level: str, log_format: str) -> None:
    """
    Log at level (one of LEVELS) and above, in log_format (one of FORMATS).

    Log records of libraries, via the standard library, get the same format.
    """
    first: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.processors.LogfmtRenderer(key_order=("ts", "level", "msg"))
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=first,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.EventRenamer("msg"),
                last,
            ],
        )
    )
    logging.basicConfig(level=LEVELS[level], handlers=[handler], force=True)
    structlog.configure(
        processors=[*first, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
