"""Gives each token of a step the rotary factors of its own sequence, in models with LongRoPE.

LongRoPE (arXiv 2402.13753) has short factors for sequences within the original context, and long ones for every
position of a longer sequence. The exporter's graph chooses one kind for a whole call, by the highest position in it:
the first piece of a long prompt would get short factors, and a short conversation beside a long one the long ones.
"""

from __future__ import annotations

import numpy
import openvino
from openvino import opset13

LONG_FACTORS = "long_factors"
"""The input that `choose_factors_by_token` adds: booleans of shape [tokens, 1]."""

_RESHAPES = ("Unsqueeze", "Squeeze", "Convert", "Reshape", "Broadcast")
_ELEMENTWISE = ("Multiply", "Power", "Divide", "Convert")


class UnknownRotaryGraphError(Exception):
    """A graph chooses factors by position in a way that this module does not know."""


def choose_factors_by_token(model: openvino.Model) -> int | None:
    """Replace the choice of factors by an input, `LONG_FACTORS`.

    Args:
        model: after the paged attention transformation, so that each token is a batch of its own to the rotary
            embedding.

    Returns:
        The original context in tokens; None if the model has no LongRoPE.

    Raises:
        UnknownRotaryGraphError: the model chooses in another way.
    """
    highest = [node for node in model.get_ops() if node.get_type_name() == "ReduceMax" and _reads_positions(node)]
    if not highest:
        return None
    choices = {choice.get_friendly_name(): choice for node in highest for choice in _choices(node)}
    contexts = {_original_context(choice) for choice in choices.values()}
    if len(contexts) != 1:
        raise UnknownRotaryGraphError(f"the rotary factors change at {len(contexts)} positions")
    long_factors = opset13.parameter([-1, 1], numpy.bool_, name=LONG_FACTORS)
    long_factors.output(0).tensor.set_names({LONG_FACTORS})
    readers = [reader for choice in choices.values() for reader in choice.output(0).get_target_inputs()]
    columns = [column for reader in readers for column in _columns(reader)]  # a model that is not known stays as it was
    for reader, output in (*((reader, long_factors.output(0)) for reader in readers), *columns):
        reader.replace_source_output(output)
    model.add_parameters([long_factors])
    model.validate_nodes_and_infer_types()
    return contexts.pop()


def _reads_positions(node: openvino.Node) -> bool:
    while node.get_type_name() != "Parameter":
        if node.get_type_name() not in (*_RESHAPES, "ReduceMax"):
            return False
        node = node.input_value(0).get_node()
    return "position_ids" in node.output(0).get_names()


def _choices(highest: openvino.Node) -> list[openvino.Node]:
    """The comparisons of the highest position with the original context."""
    found = []
    for target in highest.output(0).get_target_inputs():
        node = target.get_node()
        if node.get_type_name() in ("Add", "Convert"):
            found += _choices(node)
        elif node.get_type_name() == "Greater":
            found.append(node)
        else:
            raise UnknownRotaryGraphError(f"the highest position goes into {node.get_type_name()}")
    return found


def _original_context(choice: openvino.Node) -> int:
    """The most tokens with short factors, from `highest position + 1 > original context`."""
    length = choice.input_value(0).get_node()
    while length.get_type_name() == "Convert":
        length = length.input_value(0).get_node()
    added = _number(length.input_value(1)) if length.get_type_name() == "Add" else 0
    return int(_number(choice.input_value(1)) - added + 1)


def _number(output: openvino.Output) -> float:
    node = output.get_node()
    if node.get_type_name() != "Constant" or output.get_partial_shape().to_shape() not in ([], [1]):
        raise UnknownRotaryGraphError("a length is compared with something computed")
    return float(node.get_data().reshape(-1)[0])


def _columns(choice_reader: openvino.Input) -> list[tuple[openvino.Input, openvino.Output]]:
    """What reads one row of frequencies, or one scale, for all tokens; each with a column for each token instead."""
    select = choice_reader.get_node()
    if select.get_type_name() != "Select" or choice_reader.get_index() != 0:
        raise UnknownRotaryGraphError(f"the choice goes into {select.get_type_name()}")
    if select.output(0).get_partial_shape().rank.get_length() == 0:
        # Scales of the cosines and sines, whose shape is [tokens, 1, head size].
        row, readers = select, list(select.output(0).get_target_inputs())
    else:
        row, reader = _frequencies(select)
        readers = [reader]
    column = opset13.unsqueeze(row, opset13.constant(numpy.int64(-1)))
    return [(reader, column.output(0)) for reader in readers]


def _frequencies(factors: openvino.Node) -> tuple[openvino.Node, openvino.Input]:
    """The last node with a row of frequencies, and the product with the positions that reads it as a column."""
    row, reader = factors, _only_reader(factors)
    while reader.get_node().get_type_name() in _ELEMENTWISE:
        row, reader = reader.get_node(), _only_reader(reader.get_node())
    while reader.get_node().get_type_name() in _RESHAPES:
        reader = _only_reader(reader.get_node())
    if reader.get_node().get_type_name() != "MatMul" or reader.get_index() != 0:
        raise UnknownRotaryGraphError(f"the frequencies go into {reader.get_node().get_type_name()}")
    return row, reader


def _only_reader(node: openvino.Node) -> openvino.Input:
    readers = list(node.output(0).get_target_inputs())
    if len(readers) != 1:
        raise UnknownRotaryGraphError(f"the frequencies have {len(readers)} readers")
    return readers[0]
