"""
Tests of the Linux-specific code, on real kernels.
"""
