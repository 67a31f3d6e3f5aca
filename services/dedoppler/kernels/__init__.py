"""The arithmetic of the search: arrays in, arrays out.

`conditioning` turns raw power into noise of mean 0 and sigma 1, `ladder` finds where box sums along drifting paths are
high, `refine` finds the best box around such a place and blanks it, `pictures` makes cut-outs and the waterfall.
Every kernel is compiled by numba into an on-disk cache (`python -m services.dedoppler.compile`), releases the
interpreter's lock, and gives the same result whatever the number of threads that call it.
"""
