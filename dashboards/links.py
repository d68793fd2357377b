"""
Links between the dashboards and to the runbooks.
"""

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

TAG = "tcp-keepalive"
DOCS = "https://github.com/tcp-keepalive-exporter/tcp-keepalive-exporter/blob/main/docs"


def uid(name: str) -> str:
    """
    The fixed uid of a dashboard.
    """
    return f"{TAG}-{name.lower()}"


def link_to(name: str, **variables: str) -> list[dict[str, object]]:
    """
    A data link to a dashboard, as a field property.

    variables sets the target's variables; data source and time range are kept.
    """
    given = "".join(f"&var-{key}={value}" for key, value in variables.items())
    url = f"/d/{uid(name)}?${{datasource:queryparam}}{given}&${{__url_time_range}}"
    return [{"title": f"Open in {name}", "url": url}]


def runbook(alert: str) -> DashboardLink:
    """
    A panel's link to an alert's runbook.
    """
    return (
        DashboardLink(f"What to do: {alert}")
        .type(DashboardLinkType.LINK)
        .url(f"{DOCS}/runbooks/{alert}.md")
        .target_blank(True)
    )
