"""
The pages Prometheus and people see.
"""
