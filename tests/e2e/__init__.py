"""
End-to-end tests of the exporter on a real kernel.
"""
