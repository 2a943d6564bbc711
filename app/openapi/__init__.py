"""GET /openapi.json and GET /docs: the model's API description and a page to try it."""
