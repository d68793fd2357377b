"""
All Windows-specific code.
"""
