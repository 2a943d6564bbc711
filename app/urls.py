"""Every URL of the service as data: its pattern, its method, and the statuses it may answer with.

The statuses are what /metrics exports at 0 from the start, so they are listed and not discovered.
"""

from __future__ import annotations

from dataclasses import dataclass

# What every URL may say: yes, "this header cannot be used", and a fault of ours.
ANYWHERE = (200, 400, 500)
# What a URL that predicts may say besides.
OF_PREDICTIONS = (408, 413, 415, 422, 503, 504)
# A request that no URL answers, and the redirects of the router.
UNMATCHED = "unmatched"
OF_UNMATCHED = (308, 400, 404, 405, 408, 413, 500, 503)
V2_MODEL = ("/v2/models/<model>", "/v2/models/<model>/versions/<version>")


@dataclass(frozen=True)
class Url:
    """One URL. Only those that predict are counted as in flight, shed and logged.

    `open_protocol`: its clients read a problem's text from the key `error`. `more`: statuses beside
    those of its kind.
    """

    path: str
    method: str = "GET"
    predicts: bool = False
    open_protocol: bool = False
    more: tuple[int, ...] = ()

    @property
    def statuses(self) -> tuple[int, ...]:
        """What it may answer with, in order."""
        named = (404,) if "<" in self.path else ()
        own = OF_PREDICTIONS if self.predicts else ()
        return tuple(sorted({*ANYWHERE, *named, *own, *self.more}))


URLS: tuple[Url, ...] = (
    Url("/health"),
    Url("/ready", more=(503,)),
    Url("/metrics"),
    Url("/model/info"),
    Url("/version"),
    Url("/openapi.json"),
    Url("/docs", more=(404,)),
    Url("/predict", "POST", predicts=True),
    Url("/predict/batch", "POST", predicts=True),
    Url("/v1/models", open_protocol=True),
    Url("/v1/models/<model>", open_protocol=True, more=(503,)),
    Url("/v1/models/<model>:predict", "POST", predicts=True, open_protocol=True),
    Url("/v2", open_protocol=True),
    Url("/v2/health/live", open_protocol=True),
    Url("/v2/health/ready", open_protocol=True, more=(503,)),
    *(Url(path, open_protocol=True) for path in V2_MODEL),
    *(Url(f"{path}/ready", open_protocol=True, more=(503,)) for path in V2_MODEL),
    *(Url(f"{path}/infer", "POST", predicts=True, open_protocol=True) for path in V2_MODEL),
)
