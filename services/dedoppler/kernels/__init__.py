"""The arithmetic of the search: arrays in, arrays out.

`conditioning` turns raw power into noise of mean 0 and sigma 1. `width_trial` finds where box sums along drifting paths
are high, with the help of `pair_sums`; `upper_bound` rules out most of these paths beforehand. `refine` finds the best
box around such a place and blanks it. `pictures` computes the waterfall, `percentiles` the spread of a spectrum. Every
kernel is compiled by numba into an on-disk cache (`python -m services.dedoppler.compile`), releases the interpreter's
lock, and gives the same result whatever the number of threads that call it. Arguments that belong together are
NamedTuples, which numba compiles field by field.
"""
