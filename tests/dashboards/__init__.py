"""
The dashboards, and the invented fleet that they are tried on.
"""
