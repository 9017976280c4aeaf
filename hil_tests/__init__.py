"""hil_tests."""
