"""What imported scores look like: files of arrays, CSV files, and folders as the released codes write them."""
