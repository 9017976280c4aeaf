"""What a grid-side meter shows of the supply. Pure: readings and the time in, records and findings out."""
