"""HDF5 filterbank files (FBH5, `.h5`)."""
