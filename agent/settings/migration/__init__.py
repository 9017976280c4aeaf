"""Files of layout 1 in layout 2. Loaded by the command only."""
