"""
Where the dashboards are, and how one leads to another.
"""

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

TAG = "tcp-keepalive"
DOCS = "https://github.com/tcp-keepalive-exporter/tcp-keepalive-exporter/blob/main/docs"


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


def runbook(alert: str) -> DashboardLink:
    """
    A panel's link to what to do when that alert fires.
    """
    return (
        DashboardLink(f"What to do: {alert}")
        .type(DashboardLinkType.LINK)
        .url(f"{DOCS}/runbooks/{alert}.md")
        .target_blank(True)
    )
