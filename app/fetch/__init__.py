"""Download a bundle before the service starts: the program of the init container.

`python -m app.fetch` gets the manifest first and compares it with the digest in git before it
asks for anything else; then every listed file, each checked by its hash. It runs from an image of
its own, without the service's libraries: knows stores, files and hashes, not what a model is.

`settings` -> `remote` (the only user of obstore) -> `folder` (what lies on disk) -> `download`.
"""
