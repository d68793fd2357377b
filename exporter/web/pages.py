"""
The pages for people.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def render(template: str, **values: object) -> str:
    """
    The template of that name, filled in; values are escaped.
    """
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> "jinja2.Environment":
    import jinja2  # noqa: PLC0415  2 MB that an exporter nobody looks at can do without

    return jinja2.Environment(
        loader=jinja2.PackageLoader("exporter.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
