"""
Tests of the analysis, with sequences of samples as from the kernel and with a simulated kernel.
"""
