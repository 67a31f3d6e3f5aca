"""The HDF5 child process: the only code that calls the HDF5 library, run by `python -m shared.filterbank.hdf5.child`.

A damaged file may crash the library, send it into an endless loop or make it ask for gigabytes. Here that ends this
process alone, by a signal or by the limits that it sets itself; the worker refuses the file and starts another child.
"""
