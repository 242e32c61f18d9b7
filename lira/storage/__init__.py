"""What lies on disk: HDF5 files, the results of runs and comparisons, and where each came from."""
