"""The documents of the API: OpenAPI, AsyncAPI and the page that shows them."""
