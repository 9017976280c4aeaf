"""The figures of the agent: ``python -m hil_tests.performance`` measures them and writes ``build/bench.json``."""
