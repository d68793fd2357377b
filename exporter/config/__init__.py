"""
Loading and validation of the config file.
"""
