"""The serving code: everything that runs in a model's container, and nothing else of this project.

    __main__, server, gunicorn_conf  start-up: settings, bundle, then gunicorn
    worker, asgi, fastpath, bodies   HTTP: connections, request bodies, the event loop
    factory                          the routes as a Flask application
    routes, protocol_routes, urls    URL -> handler, error -> problem document
    admission, inbound, responses    limits and deadlines; a request and a reply as values
    service                          one loaded model: read, predict, write, record
    protocols/                       native, V1 and V2: bytes -> rows, prediction -> bytes
    model/                           bundle, contract, validation, engines
    openapi/                         /openapi.json and the /docs page
    observability/                   outcome -> metrics, log lines, spans, captured rows
    fetch/                           the init container's download; runs without the service
    settings, variables              environment variables -> typed values
    errors, timestamps, healthcheck  shared errors; RFC 3339; Docker's HEALTHCHECK

A prediction passes `worker` -> `asgi` (`fastpath` if the request is plain, else `bodies` and
`admission`) -> `routes` -> `protocol_routes` -> `service` -> `protocols` (validates the rows by
`model.validation`) -> the engine in `model` -> `protocols` -> `responses`. One
`observability.outcome` then feeds metrics, log and spans. Every other URL goes from `asgi` through
Flask (`factory`) to `routes`.

Imports go one way only: pyproject.toml ([tool.importlinter]) has the layers, and which module may
import Flask, onnxruntime, scikit-learn, obstore or OpenTelemetry.
"""

# As in pyproject.toml (a test compares): the image holds this folder, not the distribution.
__version__ = "0.1.0"
