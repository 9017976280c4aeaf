"""The words that cross a boundary: kinds of records, events, reasons, messages."""
