"""The HTTP API: routes, who may call them, answers and errors, and the documents that describe them."""
