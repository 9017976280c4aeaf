"""The state diagram for the documents, made from the table of moves.

``python -m agent.control.dc.diagram`` prints it.
"""

from agent.control.dc.machine import TRANSITIONS


def mermaid() -> str:
    """The diagram in mermaid's notation."""
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    for row in TRANSITIONS:
        sources = row["source"] if isinstance(row["source"], list) else [row["source"]]
        lines += [f"    {source} --> {row['dest']}: {row['trigger']}" for source in sources]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(mermaid(), end="")
