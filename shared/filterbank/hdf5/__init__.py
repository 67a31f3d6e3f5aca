"""HDF5 (FBH5) filterbank files (`.h5`). Only the child process, `child`, calls the HDF5 library."""
