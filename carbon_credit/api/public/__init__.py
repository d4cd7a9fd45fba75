"""What everybody may read: health, keys, totals, serial numbers, this contract."""
