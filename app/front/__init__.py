"""The front: connections, and the one way of a request through them.

`worker` runs an event loop under gunicorn and accepts connections; `http1` reads requests from one,
or hands it to `http2` if its client speaks that; `front` answers each: a prediction of microseconds
in the loop, a slower one in the worker's thread, everything else by Flask. What holds memory before
a request is admitted is bounded by `memory`.
"""
