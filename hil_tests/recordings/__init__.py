"""Recordings of charges for the decoder: our own charger and the bench's vehicle in virtual time, written as logs."""
