"""Meters that speak DL/T 645-2007. Imported only where such a meter is configured."""
