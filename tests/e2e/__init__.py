"""
The whole exporter on the real kernel.
"""
