"""
Real clients and servers: what each client observes, and what the exporter says of it.
"""
