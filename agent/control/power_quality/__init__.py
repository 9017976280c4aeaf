"""What a grid-side meter tells of the supply. Pure: readings and the time in, records and findings out."""
