"""Download a bundle before the service starts: the program of the init container.

`python -m app.fetch` downloads the manifest first and verifies it against the digest in git, then
every listed file, each verified by its hash. It runs from an image of its own, without the
service's libraries: knows stores, files and hashes, not models.

`settings` -> `opening`, `remote` (they know obstore) -> `folder` (the files on disk) -> `download`.
"""
