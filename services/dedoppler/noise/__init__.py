"""From raw power to noise of mean 0 and sigma 1."""
