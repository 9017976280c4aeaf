"""Judges what charger and vehicle send: one set of limits and rules for the charger, the listener and the decoder.

``limits`` holds every number with its source, ``demands``, ``status`` and ``output`` the rules, ``lasting`` the memory
that some of them need, ``states`` the states and stop reasons that are faults. Pure: values and the time go in,
findings come out; a value that is not known judges nothing.
"""
