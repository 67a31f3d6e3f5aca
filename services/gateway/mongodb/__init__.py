"""What the gateway keeps in MongoDB, one file per collection."""
