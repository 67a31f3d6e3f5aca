"""What two or more services must agree on: events, errors, the bus, blobs, files, settings and logs."""
