"""A small, safe language for selections, such as ``pt > 20e3 and abs(eta) < 2.5``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from salt_like.errors import UserError, nearest

Values: TypeAlias = Any  # an array of any number type, or a plain number
Step: TypeAlias = Callable[[Any], Values]

_ARITHMETIC: dict[type[ast.operator], Callable[[Values, Values], Values]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.float_power,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Values, Values], Values]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: lambda left, right: (left != right) & ~np.isnan(left) & ~np.isnan(right),
}
_FUNCTIONS: dict[str, Callable[..., Values]] = {
    "abs": np.abs,
    "sqrt": np.sqrt,
    "log": np.log,
    "log10": np.log10,
    "exp": np.exp,
    "isnan": np.isnan,
    "isfinite": np.isfinite,
    "min": lambda *values: _folded(np.minimum, values),
    "max": lambda *values: _folded(np.maximum, values),
}
_CONDITIONS = ("isnan", "isfinite")
_CONSTANTS = {"pi": np.pi, "inf": np.inf, "nan": np.nan}


class _Compiled:
    """A text compiled once.

    Args:
        text: The text.
        asked: The YAML key, for messages.
    """

    def __init__(self, text: str, asked: str = "") -> None:
        self.text = text
        self.asked = asked
        compiler = _Compiler(text, asked)
        self._run = self._compiled(compiler)
        self.fields: tuple[str, ...] = tuple(compiler.fields)

    @staticmethod
    def _compiled(compiler: _Compiler) -> Step:
        raise NotImplementedError

    def _evaluated(self, rows: Mapping[str, NDArray[Any]] | NDArray[np.void], kind: type) -> NDArray[Any]:
        with np.errstate(all="ignore"):
            result = self._run(rows)
        shape = rows.shape if isinstance(rows, np.ndarray) else np.shape(next(iter(rows.values())))
        return np.broadcast_to(np.asarray(result, kind), shape)

    def check(self, known: Iterable[str], where: str) -> None:
        """Refuse fields that `where` does not have.

        Raises:
            UserError: A field is unknown.
        """
        names = list(known)
        for name in self.fields:
            if name not in names:
                asked = f" ({self.asked})" if self.asked else ""
                raise UserError(f"no field '{name}'{nearest(name, names)} in {where}\nused in '{self.text}'{asked}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"

    def __reduce__(self) -> tuple[type[_Compiled], tuple[str, str]]:
        return type(self), (self.text, self.asked)


class Expression(_Compiled):
    """A condition on the fields of a stream, compiled once.

    Numbers, fields, ``+ - * / // % **``, comparisons (chained as well), ``in [...]``, ``and``, ``or``, ``not``, ``&``,
    ``|``, ``~`` and the functions abs, sqrt, log, log10, exp, min, max, isnan, isfinite. Every comparison with a NaN is
    false, ``!=`` and ``not in`` included.

    Args:
        text: The expression.
        asked: The YAML key, for messages.

    Raises:
        UserError: The text is not such an expression; the message points at the place.
    """

    @staticmethod
    def _compiled(compiler: _Compiler) -> Step:
        return compiler.condition(compiler.tree)

    def __call__(self, rows: Mapping[str, NDArray[Any]] | NDArray[np.void]) -> NDArray[np.bool_]:
        """True where the condition holds, shaped as the fields; `rows` has them by name."""
        return self._evaluated(rows, bool)


class Quantity(_Compiled):
    """A number that follows from the fields of a stream, such as ``abs(eta)``, in the language of `Expression`."""

    @staticmethod
    def _compiled(compiler: _Compiler) -> Step:
        return compiler.value(compiler.tree)

    def __call__(self, rows: Mapping[str, NDArray[Any]] | NDArray[np.void]) -> NDArray[np.float64]:
        """The number of each row, shaped as the fields; `rows` has them by name."""
        return self._evaluated(rows, np.float64)


class _Compiler:
    """Turns the syntax tree into nested functions of the rows."""

    def __init__(self, text: str, asked: str) -> None:
        self.asked = asked
        self.fields: dict[str, None] = {}
        self.text = " ".join(text.split())
        try:
            self.tree = ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            # an expression that ends too early is reported at the beginning of a line that does not exist
            place = error.offset - 1 if error.offset and error.lineno == 1 else len(self.text)
            raise self.error(error.msg, place) from error
        except ValueError as error:
            raise self.error(str(error), len(self.text)) from error

    def error(self, problem: str, place: int | ast.expr) -> UserError:
        column = place if isinstance(place, int) else place.col_offset
        asked = f" ({self.asked})" if self.asked else ""
        return UserError(f"selection{asked}: {problem}\n  {self.text}\n  {' ' * column}^")

    def condition(self, node: ast.expr) -> Step:
        """Something that is true or false."""
        match node:
            case ast.BoolOp(op=op, values=parts):
                join = operator.and_ if isinstance(op, ast.And) else operator.or_
                return _joined(join, [self.condition(part) for part in parts])
            case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
                inner = self.condition(operand)
                return lambda rows: ~np.asarray(inner(rows))
            case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() as op, right=right):
                join = operator.and_ if isinstance(op, ast.BitAnd) else operator.or_
                return _joined(join, [self.condition(left), self.condition(right)])
            case ast.Compare():
                return self.comparison(node)
            case ast.Call(func=ast.Name(id=name)) if name in _CONDITIONS:
                return self.call(node, name)
            case ast.Constant(value=bool() as value):
                return lambda _: np.asarray(value)
            case ast.Name(id=name) if name not in _CONSTANTS:
                return self.flag(node)
        raise self.error("this is a number where a condition is needed (compare it, or put parentheses)", node)

    def flag(self, node: ast.Name) -> Step:
        field = self.value(node)

        def run(rows: Any) -> Values:
            values = field(rows)
            if rows[node.id].dtype.kind == "f":
                raise self.error(f"'{node.id}' is a number where a condition is needed (compare it)", node)
            return values != 0

        return run

    def comparison(self, node: ast.Compare) -> Step:
        steps: list[Step] = []
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, (ast.In, ast.NotIn)):
                steps.append(self.membership(left, op, right))
            elif type(op) in _COMPARISONS:
                steps.append(_applied(_COMPARISONS[type(op)], [self.value(left), self.value(right)]))
            else:
                raise self.error("only < <= > >= == != and in compare", node)
            left = right
        return _joined(operator.and_, steps)

    def membership(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Step:
        if not isinstance(right, (ast.List, ast.Tuple, ast.Set)):
            raise self.error("'in' needs a list such as [4, 5]", right)
        member = self.value(left)
        choices = [self.value(choice) for choice in right.elts]
        absent = isinstance(op, ast.NotIn)

        def run(rows: Any) -> Values:
            values = member(rows)
            found = np.zeros(np.shape(values), bool)
            for choice in choices:
                found = found | (values == choice(rows))
            return ~found & ~np.isnan(values) if absent else found

        return run

    def value(self, node: ast.expr) -> Step:
        """Something that has a number."""
        match node:
            case ast.Constant(value=bool() | int() | float() as value):
                # plain numbers stay plain, so that they take the precision of the field they meet
                return lambda _: value
            case ast.Name(id=name) if name in _CONSTANTS:
                return lambda _: _CONSTANTS[name]
            case ast.Name(id=name):
                self.fields[name] = None
                return lambda rows: _number(rows[name])
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.value(operand)
                return lambda rows: -inner(rows)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.value(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return _applied(_ARITHMETIC[type(op)], [self.value(left), self.value(right)])
            case ast.Call(func=ast.Name(id=name)) if name not in _CONDITIONS:
                return self.call(node, name)
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
                raise self.error("'&' and '|' bind tighter than comparisons: write 'and', 'or', or parentheses", node)
        raise self.error("a selection has no such thing", node)

    def call(self, node: ast.Call, name: str) -> Step:
        if name not in _FUNCTIONS:
            raise self.error(f"no function '{name}'{nearest(name, _FUNCTIONS)}", node)
        wrong = len(node.args) < 2 if name in ("min", "max") else len(node.args) != 1
        if wrong or node.keywords:
            raise self.error(f"'{name}' takes {'two or more values' if name in ('min', 'max') else 'one value'}", node)
        return _applied(_FUNCTIONS[name], [self.value(argument) for argument in node.args])


def _applied(function: Callable[..., Values], steps: list[Step]) -> Step:
    return lambda rows: function(*(step(rows) for step in steps))


def _joined(join: Callable[[Values, Values], Values], steps: list[Step]) -> Step:
    return lambda rows: _folded(join, [step(rows) for step in steps])


def _folded(function: Callable[[Values, Values], Values], values: Iterable[Values]) -> Values:
    first, *others = values
    for other in others:
        first = function(first, other)
    return first


def _number(values: NDArray[Any]) -> NDArray[Any]:
    """The field in a type that neither overflows nor wraps in ordinary arithmetic."""
    kind = values.dtype.kind
    if kind == "f":
        return values.astype(np.float32) if values.dtype.itemsize < 4 else values
    if kind == "u" and values.dtype.itemsize == 8 and values.size and values.max() > np.iinfo(np.int64).max:
        return values
    return values.astype(np.int64)
