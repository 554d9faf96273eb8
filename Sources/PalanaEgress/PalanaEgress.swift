/// PalanaEgress
