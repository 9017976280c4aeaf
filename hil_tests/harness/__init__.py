"""A whole pile for tests: bench, both agent processes, a platform and a person at the pile."""
