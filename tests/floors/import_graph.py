"""The graph of imports of some packages, from the source: also those for type checking and those in functions."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

Graph = Mapping[str, frozenset[str]]


def modules(root: Path, packages: tuple[str, ...]) -> dict[str, Path]:
    """Every module below ``root`` by its dotted name."""
    found: dict[str, Path] = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = path
    return found


def imports_of(name: str, path: Path, known: Mapping[str, Path]) -> frozenset[str]:
    """Modules of ``known`` that a module imports anywhere in its source. Packages above a module do not count."""
    found: set[str] = set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(package, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in known else base)
    return frozenset(found & known.keys() - {name})


def _absolute(package: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, node.module] if node.module else above)


def graph(root: Path, packages: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Who imports whom."""
    known = modules(root, packages)
    return {name: imports_of(name, path, known) for name, path in known.items()}


def cycles(imports: Graph) -> list[tuple[str, ...]]:
    """One circle for each knot of modules that reach each other, as the way round; empty if there is none."""
    return [_way_round(knot, imports) for knot in _knots(imports) if len(knot) > 1]


def _knots(imports: Graph) -> Iterator[frozenset[str]]:
    """Strongly connected parts: two passes over the graph, the second against the arrows."""
    order: list[str] = []
    seen: set[str] = set()
    for start in sorted(imports):
        _visit(start, imports, seen, order)
    against: dict[str, set[str]] = {name: set() for name in imports}
    for name, targets in imports.items():
        for target in targets:
            against[target].add(name)
    seen = set()
    for start in reversed(order):
        if start not in seen:
            knot: list[str] = []
            _visit(start, against, seen, knot)
            yield frozenset(knot)


def _visit(start: str, arrows: Mapping[str, frozenset[str]] | Mapping[str, set[str]], seen: set[str],
           order: list[str]) -> None:  # fmt: skip
    """Depth first without recursion; a module is put into ``order`` when all that it reaches has been."""
    if start in seen:
        return
    seen.add(start)
    stack = [(start, iter(sorted(arrows[start])))]
    while stack:
        name, rest = stack[-1]
        target = next((each for each in rest if each not in seen), None)
        if target is None:
            order.append(name)
            stack.pop()
        else:
            seen.add(target)
            stack.append((target, iter(sorted(arrows[target]))))


def _way_round(knot: frozenset[str], imports: Graph) -> tuple[str, ...]:
    """The shortest way from the first module of a knot back to itself."""
    begin = min(knot)
    ways: list[tuple[str, ...]] = [(begin,)]
    reached: set[str] = set()
    for way in ways:
        for target in sorted(imports[way[-1]] & knot):
            if target == begin:
                return (*way, begin)
            if target not in reached:
                reached.add(target)
                ways.append((*way, target))
    raise AssertionError(f"no way round in {sorted(knot)}")
