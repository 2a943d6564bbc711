"""GET /openapi.json and GET /docs: this model's own API description and a page to try it."""
