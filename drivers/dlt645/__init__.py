"""Meters with the protocol DL/T 645-2007. Imported only where such a meter is configured."""
