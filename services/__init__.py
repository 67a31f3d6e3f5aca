"""The five services of Waterhole. None imports another: they meet on the bus, in S3 and in `shared`."""
