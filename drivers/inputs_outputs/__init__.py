"""inputs_outputs."""
