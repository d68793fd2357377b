"""
Benchmarks: what a sample, a scrape and a start cost, against the budgets of the design.

`make bench` runs them; nothing here is timed by pytest.
"""
