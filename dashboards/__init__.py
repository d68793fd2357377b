"""
The Grafana dashboards and how they are made: `make dashboards` writes their JSON.
"""
