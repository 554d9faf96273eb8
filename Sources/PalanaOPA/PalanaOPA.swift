/// PalanaOPA
