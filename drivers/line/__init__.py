"""One line and its owner: serial and TCP ports, who may speak when."""
