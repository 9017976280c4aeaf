"""insulation."""
