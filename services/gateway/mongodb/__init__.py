"""What the gateway stores in MongoDB, one file per collection. Implements the ports of jobs and accounts."""
