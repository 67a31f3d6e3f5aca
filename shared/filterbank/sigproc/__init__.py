"""SIGPROC filterbank files (`.fil`)."""
