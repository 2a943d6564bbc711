"""Every URL of the service as data: its pattern, method and possible statuses.

/metrics exports a series at 0 for each status from the start, so they are declared here.
"""

from __future__ import annotations

from dataclasses import dataclass

# Of every URL: success, an invalid header, an internal error.
ANYWHERE = (200, 400, 500)
# Of URLs that predict, in addition.
OF_PREDICTIONS = (408, 413, 415, 422, 503, 504)
# Of requests that match no URL, of OPTIONS, and of what is no request.
UNMATCHED = "unmatched"
OF_UNMATCHED = (204, 400, 404, 405, 408, 413, 415, 417, 431, 500, 501, 503, 505)
# Of methods of gRPC, in addition. Their status is counted as the one that HTTP would have.
OF_CALLS = (404, 501)
GRPC_INFERENCE = "inference.GRPCInferenceService"
V2_MODEL = ("/v2/models/<model>", "/v2/models/<model>/versions/<version>")


@dataclass(frozen=True)
class Url:
    """One URL. Only those that predict are counted as in flight, shed and logged.

    `explains`: its answer has explanations, each at the cost of many predictions.
    `is_open_protocol`: its clients read a problem's text from the key `error`. `is_grpc`: its
    errors are gRPC's. `more`: additional statuses.
    """

    path: str
    method: str = "GET"
    predicts: bool = False
    explains: bool = False
    is_open_protocol: bool = False
    is_grpc: bool = False
    more: tuple[int, ...] = ()

    @property
    def statuses(self) -> tuple[int, ...]:
        """Possible statuses, in order."""
        named = (404,) if "<" in self.path else ()
        own = OF_PREDICTIONS if self.predicts else ()
        calls = OF_CALLS if self.is_grpc else ()
        return tuple(sorted({*ANYWHERE, *named, *own, *calls, *self.more}))


URLS: tuple[Url, ...] = (
    Url("/"),
    Url("/health"),
    Url("/ready", more=(503,)),
    Url("/metrics"),
    Url("/model/info"),
    Url("/version"),
    Url("/openapi.json"),
    Url("/docs", more=(404,)),
    Url("/predict", "POST", predicts=True),
    Url("/predict/batch", "POST", predicts=True),
    Url("/invocations", "POST", predicts=True),
    Url("/explain", "POST", predicts=True, explains=True, more=(501,)),
    Url("/v1/models", is_open_protocol=True),
    Url("/v1/models/<model>", is_open_protocol=True, more=(503,)),
    Url("/v1/models/<model>:predict", "POST", predicts=True, is_open_protocol=True),
    Url(
        "/v1/models/<model>:explain",
        "POST",
        predicts=True,
        explains=True,
        is_open_protocol=True,
        more=(501,),
    ),
    Url("/v2", is_open_protocol=True),
    Url("/v2/health/live", is_open_protocol=True),
    Url("/v2/health/ready", is_open_protocol=True, more=(503,)),
    *(Url(path, is_open_protocol=True) for path in V2_MODEL),
    *(Url(f"{path}/ready", is_open_protocol=True, more=(503,)) for path in V2_MODEL),
    *(Url(f"{path}/infer", "POST", predicts=True, is_open_protocol=True) for path in V2_MODEL),
)

INFER = f"/{GRPC_INFERENCE}/ModelInfer"
HEALTH = "/grpc.health.v1.Health/Check"
REFLECTION = tuple(
    f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    for version in ("v1", "v1alpha")
)
# Methods of gRPC, which come by HTTP/2 only.
GRPC_URLS: tuple[Url, ...] = (
    Url(INFER, "POST", predicts=True, is_grpc=True),
    Url(f"/{GRPC_INFERENCE}/ServerLive", "POST", is_grpc=True),
    Url(f"/{GRPC_INFERENCE}/ServerReady", "POST", is_grpc=True),
    Url(f"/{GRPC_INFERENCE}/ServerMetadata", "POST", is_grpc=True),
    Url(f"/{GRPC_INFERENCE}/ModelReady", "POST", is_grpc=True),
    Url(f"/{GRPC_INFERENCE}/ModelMetadata", "POST", is_grpc=True),
    Url(HEALTH, "POST", is_grpc=True),
    *(Url(path, "POST", is_grpc=True) for path in REFLECTION),
)
EVERY_URL = (*URLS, *GRPC_URLS)
