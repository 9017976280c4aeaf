"""Conformance cases of GB/T 34658-2017 for a charger, run against the real field process, judged by its frames."""
