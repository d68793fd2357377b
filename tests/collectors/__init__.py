"""
Tests of the collectors and their schedule.
"""
