"""The billing meter: register, bill, proof and exchange."""
