"""
Settings as real kernels have them.
"""
