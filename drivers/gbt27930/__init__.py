"""GB/T 27930: messages, transport, the charger's side, and an observer of both sides."""
