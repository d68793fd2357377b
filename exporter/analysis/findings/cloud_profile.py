"""
The finding about a profile that does not fit the cloud.
"""

from exporter.analysis.findings.rule_context import Diagnosis, RuleContext
from exporter.text.wording import listing


def of_another_cloud(context: RuleContext) -> Diagnosis | None:
    """
    The config file names the profile of another cloud than the one that was detected.
    """
    chosen = context.profile
    if chosen is None or not context.is_host or not chosen.contradicts_cloud:
        return None
    several = len(chosen.profiles) > 1
    named = listing([f"`{profile}`" for profile in chosen.profiles])
    return Diagnosis(
        f"The config file names {'profiles' if several else 'profile'} {named}, but this host runs"
        f" on {chosen.cloud.cloud}, according to {chosen.cloud.file}. Connections are compared with"
        " the idle timeouts of another cloud.",
        f"Write `profile: auto` or `profile: {chosen.cloud.cloud}` in the config file, or describe"
        " the route with `profile: none` and `paths`.",
    )
