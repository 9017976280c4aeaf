"""Small changes to a module, one at a time: each is a program that the tests must tell from the right one."""

import ast
import copy
import itertools
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATIONS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_SQL = ("SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN", "PRAGMA", "CREATE", "ALTER", "DROP")
_REMOVABLE = (ast.Assign, ast.AugAssign, ast.Return, ast.Raise, ast.Continue, ast.Delete, ast.Expr)


@dataclass(frozen=True)
class Mutant:
    """One changed module. ``key`` names it without line numbers, so that an explanation outlives other changes."""

    key: str
    line: int
    tree: Callable[[], ast.Module]
    """Makes the changed program."""


def mutants(source: str) -> list[Mutant]:
    """All mutants of a module, in the order of its text."""
    tree = ast.parse(source)
    scopes = _scopes(tree)
    frozen = pickle.dumps(tree)
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for index, node in enumerate(_code(tree)):
        before = ast.unparse(node)
        for change in _changes(node):
            after = "(removed)" if change is _remove else _changed(node, change)
            if before == after:
                continue
            key = f"{scopes[id(node)]}: {_short(before)} -> {_short(after)}"
            seen[key] = seen.get(key, 0) + 1
            if seen[key] > 1:
                key += f" (no. {seen[key]})"
            found.append(Mutant(key, getattr(node, "lineno", 0), partial(_program, frozen, index, change)))
    return found


def _changed(node: ast.AST, change: "Change") -> str:
    twin = copy.deepcopy(node)
    change(twin, None)
    return ast.unparse(twin)


def _program(frozen: bytes, index: int, change: "Change") -> ast.Module:
    tree: ast.Module = pickle.loads(frozen)  # noqa: S301  # dumped by this very module
    twin = next(itertools.islice(_code(tree), index, None))
    change(twin, _body_holding(tree, twin) if change is _remove else None)
    # By way of its text: a condition left with a single term is no tree that can be compiled.
    return ast.parse(ast.unparse(tree))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 110 else f"{text[:70]} ... {text[-35:]}"


Change = Callable[[ast.AST, list[ast.stmt] | None], None]


def _changes(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in _COMPARISONS[type(operator)]:
                yield _setting_item("ops", place, other())
    elif isinstance(node, ast.BoolOp):
        yield _setting("op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
        for place in range(len(node.values)):
            yield _dropping("values", place)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        yield _setting("op", _OPERATIONS[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield _setting("op", ast.UAdd() if isinstance(node.op, ast.USub) else _Nothing())
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        yield lambda twin, _: setattr(twin, "test", ast.UnaryOp(ast.Not(), twin.test))  # type: ignore[attr-defined]
    elif isinstance(node, ast.comprehension):
        for place in range(len(node.ifs)):
            yield _dropping("ifs", place)
    elif isinstance(node, ast.Tuple | ast.List | ast.Set) and len(node.elts) > 2:
        for place in range(len(node.elts)):
            yield _dropping("elts", place)
    if isinstance(node, _REMOVABLE):
        yield _remove


class _Nothing(ast.UAdd):
    """Stands for a dropped ``not``: written as a double negation, which keeps the type and drops the meaning."""


def _constants(node: ast.Constant) -> Iterator[Change]:
    value = node.value
    if isinstance(value, bool):
        yield _setting("value", not value)
    elif isinstance(value, int | float):
        for other in _other_numbers(value):
            yield _setting("value", other)
    elif isinstance(value, str) and value and not _is_prose(value):
        yield _setting("value", f"{value}X")


def _other_numbers(value: float) -> list[float]:
    """Numbers instead of this one: one more, twice, half and eight times as much.

    Half and eight times stand for a limit that is far off: a test about "within a second" must not pass with 8 s.
    """
    others: list[float] = [value + 1]
    whole = isinstance(value, int)
    if not whole or value > 1:
        others += [value * 2, value // 2 if whole else value / 2, value * 8]
    return [other for place, other in enumerate(others) if other != value and other not in others[:place]]


def _is_prose(text: str) -> bool:
    """Whether a text is for people, as hints and sources of numbers are. Statements of SQL are not."""
    words = text.split()
    return len(words) > 1 and words[0] not in _SQL


def _setting(name: str, value: object) -> Change:
    def change(twin: ast.AST, _: list[ast.stmt] | None) -> None:
        if isinstance(value, _Nothing):
            twin.operand = ast.UnaryOp(ast.Not(), twin.operand)  # type: ignore[attr-defined]  # a UnaryOp
        else:
            setattr(twin, name, value)

    return change


def _setting_item(name: str, place: int, value: object) -> Change:
    def change(twin: ast.AST, _: list[ast.stmt] | None) -> None:
        getattr(twin, name)[place] = value

    return change


def _dropping(name: str, place: int) -> Change:
    def change(twin: ast.AST, _: list[ast.stmt] | None) -> None:
        del getattr(twin, name)[place]

    return change


def _remove(twin: ast.AST, body: list[ast.stmt] | None) -> None:
    assert body is not None
    place = next(index for index, each in enumerate(body) if each is twin)
    body[place] = ast.Pass()


def _body_holding(tree: ast.AST, node: ast.AST) -> list[ast.stmt] | None:
    for parent in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            body = getattr(parent, name, None)
            if isinstance(body, list) and any(each is node for each in body):
                return body
    return None


def _code(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that do something: no documentation, no annotations, no imports, no type aliases, no messages."""
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns", "decorator_list", "format_spec"):
            continue
        for node in value if isinstance(value, list) else [value]:
            if not isinstance(node, ast.AST) or _is_talk(node):
                continue
            yield node
            yield from _code(node)


_COST_ONLY = ("gc", "slots", "weakref")
"""Keywords of classes that change what an object costs and nothing else."""


def _is_talk(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword) and node.arg in _COST_ONLY:
        return True
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Assert):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
        return True
    # ``Rule = Callable[...]``, ``_Step = tuple[...]``
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Subscript)
        and not node.value.ctx._fields
        and (isinstance(node.value.value, ast.Name) and node.value.value.id in ("Callable", "tuple"))
    )


def _scopes(tree: ast.Module) -> dict[int, str]:
    names: dict[int, str] = {}

    def walk(node: ast.AST, scope: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            scope = f"{scope}.{node.name}" if scope else node.name
        names[id(node)] = scope or "module"
        for child in ast.iter_child_nodes(node):
            walk(child, scope)

    walk(tree, "")
    return names
