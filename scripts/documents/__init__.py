"""Writers of the documents that come from code and data; they are not part of the installed program."""
