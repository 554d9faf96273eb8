/// PalanaControlAPI
