"""
Benchmarks: the cost of a sample, a scrape and a start, compared with the budgets of the design.

`make bench` runs them. pytest does not measure anything here.
"""
