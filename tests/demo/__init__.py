"""
Demo of dying connections and the resulting alerts: `make demo`.
"""
