/// PalanaLocal
