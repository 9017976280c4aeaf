"""The bench: everything around the agent, simulated part by part, each replaceable by a foreign or real one."""
