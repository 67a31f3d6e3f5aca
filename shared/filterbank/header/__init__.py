"""From the values that a file states to the `Header` that the search works with."""
