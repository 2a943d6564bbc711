"""Builds one ONNX graph: nodes and constants with unique names. Independent of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# The newest operator sets tested with the pinned onnxruntime. TreeEnsemble in double precision
# requires ai.onnx.ml 5.
OPSETS = {"": 21, "ai.onnx.ml": 5}
IR_VERSION = 10
INPUT = "rows"


# One round of `Graph.repeat`: (graph of the round, state) -> (new state, whether to continue).
Step = Callable[["Graph", str], tuple[str, str]]


class CannotLowerError(Exception):
    """An estimator, or one of its settings, has no exact translation.

    `steps` collects the names of the enclosing steps.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []

    def __str__(self) -> str:
        where = "/".join(reversed(self.steps))
        return f"step {where}: {self.reason}" if where else self.reason


class Graph:
    """A graph under construction; methods that add nodes return the name of the result."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._refused: list[str] = []

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output."""
        result = f"{self._prefix}{operator.lower()}_{len(self._nodes)}"
        node = helper.make_node(
            operator, list(inputs), [result], name=result, domain=domain, **attributes
        )
        self._nodes.append(node)
        return result

    def constant(self, values: ArrayLike, dtype: Any = np.float64) -> str:
        """A constant tensor; equal ones are stored once."""
        array: NDArray[Any] = np.ascontiguousarray(values, dtype=dtype)
        # ascontiguousarray turns a scalar into a vector.
        array = array.reshape(np.shape(values))
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constants:
            name = f"{self._prefix}constant_{len(self._constants)}"
            self._constants[key] = name
            self._initializers.append(numpy_helper.from_array(array, name))
        return self._constants[key]

    def integers(self, values: ArrayLike) -> str:
        """An int64 constant, for shapes, axes and indexes."""
        return self.constant(values, np.int64)

    def columns(self, source: str, indexes: list[int]) -> str:
        """Some columns of a matrix, in the given order."""
        return self.add("Gather", source, self.integers(indexes), axis=1)

    def concat(self, parts: list[str]) -> str:
        """Matrices side by side."""
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)

    def double(self, source: str) -> str:
        """Cast to float64."""
        return self.add("Cast", source, to=TensorProto.DOUBLE)

    def single(self, source: str) -> str:
        """Round to float32."""
        return self.add("Cast", source, to=TensorProto.FLOAT)

    def integer(self, source: str) -> str:
        """Cast to int64."""
        return self.add("Cast", source, to=TensorProto.INT64)

    def refuse(self, flags: str) -> None:
        """Rows [n, 1] that scikit-learn refuses: where true, the model must give no answer."""
        self._refused.append(flags)

    def _without_refused(self, outputs: dict[str, str], matrices: Container[str]) -> dict[str, str]:
        """The outputs with NaN, or the label -1, in refused rows: the engine gives no answer."""
        if not self._refused:
            return outputs
        flags = self._refused[0]
        for more in self._refused[1:]:
            flags = self.add("Or", flags, more)
        row = self.add("Reshape", flags, self.integers([-1]))
        kept = {}
        for public, result in outputs.items():
            own = flags if public in matrices else row
            is_label = public == "label"
            nothing = self.integers(-1) if is_label else self.constant(np.float64("nan"))
            kept[public] = self.add("Where", own, nothing, result)
        return kept

    def smallest(self, source: str, count: int) -> str:
        """[n, count]: the positions of the smallest values of every row, nearest first."""
        name = f"{self._prefix}topk_{len(self._nodes)}"
        inputs = [source, self.integers([count])]
        outputs = [f"{name}_values", name]
        self._nodes.append(helper.make_node("TopK", inputs, outputs, name=name, axis=1, largest=0))
        return name

    def smallest_with_values(self, source: str, count: int) -> tuple[str, str]:
        """The smallest values of every row, nearest first, and their positions."""
        name = self.smallest(source, count)
        return f"{name}_values", name

    def through_float32(self, source: str) -> str:
        """Round to float32 and back, as scikit-learn's trees do with their input."""
        return self.double(self.single(source))

    def repeat(self, max_rounds: int, start: str, condition: str, step: Step) -> str:
        """Update a float64 tensor in a loop of at most `max_rounds` rounds.

        `step` adds one round's nodes to the given graph and returns the updated tensor and a
        boolean, whether to continue; it may use names of this graph.
        """
        body = Graph(prefix=f"{self._prefix}round_")
        result, more = step(body, "round_state")
        infos = [
            helper.make_tensor_value_info("round_number", TensorProto.INT64, []),
            helper.make_tensor_value_info("round_go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("round_state", TensorProto.DOUBLE, None),
        ]
        outputs = [
            helper.make_tensor_value_info(more, TensorProto.BOOL, []),
            helper.make_tensor_value_info(result, TensorProto.DOUBLE, None),
        ]
        inner = helper.make_graph(body._nodes, "round", infos, outputs, body._initializers)
        return self.add("Loop", self.integers(max_rounds), condition, start, body=inner)

    def model(
        self, width: int, outputs: dict[str, str], matrices: Container[str] = ("probability",)
    ) -> onnx.ModelProto:
        """The finished model: input `rows` [n, width]; `outputs` maps public names to results.

        `matrices`: the outputs with more than one value per row.
        """
        outputs = self._without_refused(outputs, matrices)
        nodes = list(self._nodes)
        infos = []
        for public, result in outputs.items():
            nodes.append(helper.make_node("Identity", [result], [public], name=public))
            kind = TensorProto.INT64 if public == "label" else TensorProto.DOUBLE
            shape = ["n", None] if public in matrices else ["n"]
            infos.append(helper.make_tensor_value_info(public, kind, shape))
        rows = helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, ["n", width])
        graph = helper.make_graph(nodes, "model", [rows], infos, self._initializers)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(name, at) for name, at in OPSETS.items()],
            ir_version=IR_VERSION,
            producer_name="modelctl",
        )
        onnx.checker.check_model(model)
        return model
