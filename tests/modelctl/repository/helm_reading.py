"""What Helm and Argo CD read in a text: asked of their own code, by the tool `yaml-reader`."""

from __future__ import annotations

import base64
import json
import subprocess
from types import TracebackType
from typing import Any

from tests import rendering


class HelmReading:
    """The running tool; each text is a line to it and a line back."""

    def __enter__(self) -> HelmReading:
        argv = [rendering.tool("yaml-reader")]
        self._tool = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._tool.stdin is not None
        self._tool.stdin.close()
        assert self._tool.wait(timeout=10) == 0
        assert self._tool.stdout is not None
        self._tool.stdout.close()

    def answer(self, text: str | bytes) -> dict[str, Any]:
        """What both read in a text, or their errors."""
        assert self._tool.stdin is not None
        assert self._tool.stdout is not None
        raw = text.encode() if isinstance(text, str) else text
        self._tool.stdin.write(base64.b64encode(raw) + b"\n")
        self._tool.stdin.flush()
        answer: dict[str, Any] = json.loads(self._tool.stdout.readline())
        return answer

    def __call__(self, text: str | bytes) -> dict[str, Any]:
        """What Helm reads; Argo CD has to read the same."""
        answer = self.answer(text)
        assert not {"helmError", "argocdError"} & set(answer), answer
        helm: dict[str, Any] = answer["helm"]
        # An empty file is no parameters for Argo CD, and no values for Helm.
        assert exact(answer["argocd"] or {}) == exact(helm)
        return helm


def exact(content: object) -> str:
    """The same text only for the same data of the same types: 1 is neither true nor 1.0."""
    return json.dumps(content, sort_keys=True)
