"""
The collectors, their schedule, and the state kept between samples.
"""
