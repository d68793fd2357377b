"""
Where the dashboards are, and how one leads to another.
"""

TAG = "tcp-keepalive"


def uid(name: str) -> str:
    """
    The fixed uid of the dashboard with that name.
    """
    return f"{TAG}-{name.lower()}"


def link_to(name: str, **variables: str) -> list[dict[str, object]]:
    """
    A data link to the dashboard with that name, as a field property.

    variables are what the dashboard's are to be; data source and time range stay.
    """
    given = "".join(f"&var-{key}={value}" for key, value in variables.items())
    url = f"/d/{uid(name)}?${{datasource:queryparam}}{given}&${{__url_time_range}}"
    return [{"title": f"Open in {name}", "url": url}]
